"""The console page as a user operates it, and another user, who sends messages over REST."""

from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
from playwright.sync_api import Browser, ConsoleMessage, Locator, Request, ViewportSize, WebSocket, expect

from tests.people import Person
from tests.servers import Server

PASSWORD = "wonderland-7"

Frame = dict[str, Any]


class Tab:
    """A tab with a profile of its own. Records the errors of its page and the hosts that it contacts."""

    def __init__(self, browser: Browser, url: str) -> None:
        self.page = browser.new_page(base_url=url, viewport=ViewportSize(width=1280, height=900))
        self.page.set_default_timeout(10_000)
        self.errors: list[str] = []
        self.hosts: set[str] = set()
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", self._on_request)
        self.page.on("websocket", self._on_socket)

    def _on_console(self, message: ConsoleMessage) -> None:
        """Records script errors, violations of the content security policy, and responses that are errors."""
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def _on_request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "about"):
            self.hosts.add(parts.netloc)

    def _on_socket(self, socket: WebSocket) -> None:
        self.hosts.add(urlsplit(socket.url).netloc)


class Console(Tab):
    """The page at /docs/."""

    @property
    def room(self) -> Locator:
        return self.page.get_by_role("combobox", name="Room", exact=True)

    @property
    def frame(self) -> Locator:
        return self.page.get_by_role("textbox", name="Frame")

    def open(self) -> None:
        self.page.goto("/docs/")

    def sign_up(self, username: str) -> None:
        self.page.get_by_label("Username").fill(username)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Sign up").click()
        expect(self.page.get_by_role("status").first).to_have_text(f"Signed in as {username}.")

    def connect(self) -> None:
        self.page.get_by_role("button", name="Connect", exact=True).click()
        self.expect_open()

    def drop(self) -> None:
        self.page.get_by_role("button", name="Drop the connection").click()
        expect(self.page.locator("#state")).to_have_text("closed")

    def expect_open(self) -> None:
        expect(self.page.locator("#state")).to_have_text("open", timeout=15_000)

    def make_room(self, name: str) -> str:
        """Creates a public room, and returns its id. The console then selects it."""
        self.page.get_by_label("Name", exact=True).fill(name)
        self.page.get_by_role("button", name="Make it").click()
        expect(self.room.locator("option:checked")).to_have_text(name)
        room: str = self.room.input_value()
        return room

    def act(self, action: str, *, status: int = 200, **fields: object) -> None:
        """Selects an action, updates its example with `fields`, sends it, and waits for a reply with `status`."""
        said = self.page.locator("#log .in .what", has_text=f"{action} {status}")
        before = said.count()
        self.page.get_by_role("combobox", name="Action", exact=True).select_option(action)
        text = self.frame.input_value()
        self.frame.fill(msgspec.json.encode(msgspec.json.decode(text) | fields).decode())
        self.page.get_by_role("button", name="Send", exact=True).click()
        expect(said).to_have_count(before + 1)

    def expect_messages(self, count: int) -> None:
        """Waits until the log shows `count` events `message.created`."""
        created = self.page.locator("#log .in .what", has_text="message.created")
        expect(created).to_have_count(count, timeout=15_000)

    def clear(self) -> None:
        self.page.get_by_role("button", name="Clear").click()

    def frames(self, way: str) -> list[Frame]:
        """Returns the frames in the log. `way` is `in` or `out`."""
        return [msgspec.json.decode(text) for text in self.page.locator(f"#log .{way} pre").all_inner_texts()]

    def heard(self) -> list[tuple[int, str]]:
        """Returns seq and text of each message in the log, after a round trip, so that all events have arrived."""
        self.act("ping")
        created = [frame for frame in self.frames("in") if frame.get("event") == "message.created"]
        return [(frame["seq"], frame["data"]["text"]) for frame in created]


class Correspondent:
    """Another user, who uses REST."""

    def __init__(self, server: Server, person: Person) -> None:
        self._rest = server.rest(person.headers)

    def __enter__(self) -> "Correspondent":
        return self

    def __exit__(self, *_: object) -> None:
        self._rest.close()

    def join(self, room: str) -> None:
        self._post(f"/api/v1/rooms/{room}/join/")

    def say(self, room: str, *texts: str) -> list[tuple[int, str]]:
        """Posts messages, and returns seq and text of each."""
        return [(self._post(f"/api/v1/rooms/{room}/messages/", text=text).json()["seq"], text) for text in texts]

    def _post(self, path: str, **body: str) -> httpx.Response:
        return self._rest.post(path, json=body).raise_for_status()
