"""People who go on chatting during an attack, and how long they wait for their acknowledgements."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import UUID

from tests.people import Person
from tests.servers import Server
from tests.sockets import Client

PAUSE_S = 0.005  # between two sends; each person sends one after the other, so that all keep to the rate limit


def acknowledgements(server: Server, people: list[Person], room: UUID, *, seconds: float) -> list[float]:
    """Returns how long people waited for each acknowledgement, in seconds, the longest last."""
    waits = []
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(server, person)) for person in people]
        end, number = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            began = time.monotonic()
            client, number = clients[number % len(clients)], number + 1
            assert client.act("send", room=str(room), text="hi")["response_status"] == 201
            waits.append(time.monotonic() - began)
            time.sleep(PAUSE_S)
    return sorted(waits)


def connect(server: Server, person: Person) -> Client:
    if server.ws_url.startswith("wss"):
        import ssl

        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return Client(server, person, ssl=context)
    return Client(server, person)


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
