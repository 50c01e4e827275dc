"""People who go on chatting during an attack, and how long they wait for their acknowledgements."""

import json
import select
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from uuid import UUID

from tests.abuse.attackers import RawSocket, Report, Target, text
from tests.people import Person
from tests.servers import Server

PAUSE_S = 0.005  # between two sends; each person sends one after the other, so that all keep to the rate limit
MOST_WAIT_S = 10.0


class Chatter:
    """One of those who go on chatting. Uses one thread: in Python 3.11, two may not use one TLS connection at once."""

    def __init__(self, server: Server, person: Person) -> None:
        is_encrypted = server.url.startswith("https")
        target = Target(port=server.port, is_encrypted=is_encrypted, tokens=(), rooms=())
        self._socket = RawSocket(target, Report(), token=person.token, address="127.0.0.1")
        self._socket.texts = []
        self._sent = 0

    def send(self, room: UUID) -> None:
        """Sends a message, and waits for its acknowledgement."""
        self._sent += 1
        self._socket.write(text({"action": "send", "request_id": self._sent, "room": str(room), "text": "hi"}))
        deadline = time.monotonic() + MOST_WAIT_S
        while time.monotonic() < deadline:
            select.select([self._socket.socket], [], [], 0.05)
            self._socket.read()
            assert self._socket.is_open
            assert self._socket.texts is not None
            for frame in map(json.loads, self._socket.texts):
                if frame.get("request_id") == self._sent:
                    assert frame["response_status"] == 201
                    self._socket.texts.clear()
                    return
        raise AssertionError("no acknowledgement")

    def close(self) -> None:
        self._socket.close()


def acknowledgements(server: Server, people: list[Person], room: UUID, *, seconds: float) -> list[float]:
    """Returns how long people waited for each acknowledgement, in seconds, the longest last."""
    waits = []
    with ExitStack() as stack:
        chatters = [stack.enter_context(closing(Chatter(server, person))) for person in people]
        end, number = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            began = time.monotonic()
            chatters[number % len(chatters)].send(room)
            number += 1
            waits.append(time.monotonic() - began)
            time.sleep(PAUSE_S)
    return sorted(waits)


def p99(waits: list[float]) -> float:
    return waits[int(len(waits) * 0.99)]


def resident_bytes(server: Server) -> int:
    return int(Path(f"/proc/{server.pid}/statm").read_text().split()[1]) * 4096


class Memory:
    """The memory of a server: at first, and at most since then."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.first = self.most = resident_bytes(server)

    @property
    def growth(self) -> int:
        return self.most - self.first

    @contextmanager
    def watched(self) -> Iterator[None]:
        done = threading.Event()

        def look() -> None:
            while not done.wait(0.05):
                self.most = max(self.most, resident_bytes(self._server))

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
