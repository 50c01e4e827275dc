"""The JavaScript in the documents parses; the client of the quickstart works in Node and in a browser."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import pytest

from rooms import services
from rooms.schema import NewRoom
from tests.conftest import StartServer
from tests.docs.blocks import all_blocks, blocks_in
from tests.docs.sessions import Session
from tests.e2e.conftest import CHROMIUM, FLAGS
from tests.engine import only_on
from tests.people import Person
from tests.ports import free_port
from tests.servers import Server

HERE = Path(__file__).parent
QUICKSTART = "docs/quickstart.md"


@pytest.fixture
def open_room(alice: Person) -> UUID:
    """A public room, so that every user may join it."""
    return services.create_room(user_id=alice.id, new=NewRoom(name="Page", kind="public")).room.id


def node() -> str:
    path = shutil.which("node")
    if path is None:
        pytest.skip("Node is not installed: JavaScript is not checked")
    return path


def node_with_web_socket() -> list[str]:
    """`WebSocket` is a global from Node 22 on, and needs a flag in Node 20."""
    probe = "process.exit(typeof WebSocket === 'function' ? 0 : 1)"
    for flags in ([], ["--experimental-websocket"]):
        command = [node(), "--no-warnings", *flags]
        if subprocess.run([*command, "-e", probe], check=False, capture_output=True, timeout=30).returncode == 0:
            return command
    pytest.skip("this Node has no WebSocket: the client of the quickstart is not run")


def scripts() -> Iterator[tuple[str, str]]:
    for block in all_blocks("js"):
        yield block.location, block.text
    for block in all_blocks("html"):
        for script in re.findall(r"<script[^>]*>(.+?)</script>", block.text, re.DOTALL):
            yield block.location, script


@only_on("sqlite")
@pytest.mark.parametrize(("location", "text"), list(scripts()), ids=[location for location, _ in scripts()])
def test_its_javascript_parses(location: str, text: str, tmp_path: Path) -> None:
    module = tmp_path / "script.mjs"
    module.write_text(text)
    checked = subprocess.run([node(), "--check", str(module)], check=False, capture_output=True, timeout=30)
    assert checked.returncode == 0, f"{location}\n{checked.stderr.decode()}"


def test_the_client_misses_no_message(session: Session, server: Server, open_room: UUID, alice: Person) -> None:
    """It sends messages, disconnects, resumes, and repeats a message whose answer was lost."""
    command = node_with_web_socket()
    session.save(blocks_in(QUICKSTART, "js"))
    shutil.copy(HERE / "visit.js", session.directory)
    (session.directory / "package.json").write_text('{"type": "module"}')
    store_file = session.directory / "store.json"
    store_file.write_text("{}")
    host, room = f"127.0.0.1:{server.port}", str(open_room)

    def visit(path: str, *texts: str, until: str) -> list[str]:
        task = {"host": host, "room": room, "path": path, "texts": texts, "until": until}
        shown: list[str] = json.loads(session.run([*command, "visit.js", json.dumps(task)]).splitlines()[-1])
        return shown

    assert visit("auth/signup", "one", "two", until="two") == ["one", "two"]

    with server.rest(alice.headers) as rest:
        for text in ("three", "four"):
            assert rest.post(f"/api/v1/rooms/{room}/messages/", json={"text": text}).status_code == 201
    assert visit("tokens/refresh", until="four") == ["one", "two", "three", "four"]

    store = json.loads(store_file.read_text())
    page = json.loads(store[room])
    unanswered = {page["messages"]["2"]["client_id"]: "two"}  # as if its answer had been lost
    store_file.write_text(json.dumps(store | {room: json.dumps(page | {"outbox": unanswered})}))
    assert visit("tokens/refresh", "five", until="five") == ["one", "two", "three", "four", "five"]


@contextmanager
def served(directory: Path, port: int) -> Iterator[str]:
    """Serves the page as the quickstart describes."""
    command = [".venv/bin/python", "-m", "http.server", str(port), "--bind", "localhost"]
    process = subprocess.Popen(command, cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"http://localhost:{port}"
    finally:
        process.kill()
        process.wait()


@only_on("sqlite")
def test_the_page_works_in_a_browser(session: Session, start_server: StartServer, open_room: UUID) -> None:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: the page of the quickstart is not opened")
    port = free_port()
    session.server = start_server(CORS_ALLOWED_ORIGINS=f"http://localhost:{port}")
    session.save(blocks_in(QUICKSTART, "js", "html"))
    shutil.copy(HERE / "browse.py", session.directory)

    with served(session.directory, port) as origin:
        printed = session.run([".venv/bin/python", "browse.py", CHROMIUM, f"{origin}/?room={open_room}", *FLAGS])

    assert printed.strip() == "dora: one,dora: two,dora: three"
