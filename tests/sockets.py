"""A client of the socket for tests. It keeps the events that arrive while it waits for a reply."""

import socket
from collections import deque
from contextlib import ExitStack
from typing import Any

import msgspec
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.contract import documents
from tests.people import Person
from tests.servers import Server

TIMEOUT_S = 10.0

Frame = dict[str, Any]


class Client:
    """One connection. `events` holds the events that no test has taken yet."""

    def __init__(self, server: Server, person: Person, **options: Any) -> None:
        self._stack = ExitStack()
        self.connection: ClientConnection = self._stack.enter_context(
            connect(
                server.ws_url,
                additional_headers=person.headers,
                subprotocols=[Subprotocol("roomlog.v1")],
                compression=None,
                max_size=None,
                close_timeout=1,
                **options,
            )
        )
        self.events: deque[Frame] = deque()
        self._requests = 0
        self.hello = self.receive()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def drop(self) -> None:
        """Drops the connection without a close frame, as a phone in a tunnel does."""
        self.connection.socket.shutdown(socket.SHUT_RDWR)
        self._stack.close()

    def receive(self, timeout_s: float = TIMEOUT_S) -> Frame:
        """Returns the next frame, checked against asyncapi.yaml."""
        frame: Frame = msgspec.json.decode(self.connection.recv(timeout=timeout_s))
        documents.socket().check_frame(frame)
        return frame

    def start(self, action: str, **payload: object) -> int:
        """Sends an action without waiting for its reply, and returns its request id."""
        self._requests += 1
        request = {"action": action, "request_id": self._requests, **payload}
        self.connection.send(msgspec.json.encode(request).decode())
        return self._requests

    def reply(self, request_id: int | None = None) -> Frame:
        """Returns the next reply, or that to `request_id`. Events that arrive before it are kept."""
        while True:
            frame = self.receive()
            if "event" in frame:
                self.events.append(frame)
            elif request_id is None or frame["request_id"] == request_id:
                return frame

    def act(self, action: str, **payload: object) -> Frame:
        """Sends an action, and returns its reply."""
        return self.reply(self.start(action, **payload))

    def event(self, timeout_s: float = TIMEOUT_S) -> Frame:
        """Returns the next event, kept or awaited."""
        while not self.events:
            frame = self.receive(timeout_s)
            if "event" in frame:
                self.events.append(frame)
        return self.events.popleft()

    def events_until(self, seq: int) -> list[Frame]:
        """Returns the next events, up to and including the one with this `seq`."""
        found = [self.event()]
        while found[-1].get("seq") != seq:
            found.append(self.event())
        return found

    def is_quiet(self, for_s: float = 0.1) -> bool:
        """Returns whether no event arrives within a round trip and then `for_s` seconds."""
        self.act("ping")
        try:
            while not self.events:
                frame = self.receive(for_s)
                if "event" in frame:
                    self.events.append(frame)
        except TimeoutError:
            return True
        return False


def close_code(client: Client) -> int:
    """Returns the code that the server closes the connection with. Frames before that are skipped."""
    with pytest.raises(ConnectionClosed) as closed:
        while True:
            client.receive(5)
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code
