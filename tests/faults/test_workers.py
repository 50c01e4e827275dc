"""`serve --workers`: several processes behind one port, which shut down gracefully."""

import time
from collections.abc import Iterator
from uuid import UUID

import pytest

from tests.conftest import StartServer
from tests.faults.conftest import running_redis
from tests.people import Person
from tests.servers import SERVE, Server
from tests.sockets import Client


@pytest.fixture
def server(start_server: StartServer) -> Iterator[Server]:
    """Two workers and two Redis servers, which share the load."""
    with running_redis() as one, running_redis() as other:
        yield start_server(command=(*SERVE, "--workers", "2"), REDIS_URL=f"{one.url},{other.url}")


def test_it_works(server: Server, room: UUID, alice: Person, bob: Person) -> None:
    clients = [Client(server, person) for person in (alice, bob) * 4]
    for client in clients:
        client.act("join", room=str(room))
    for number in range(20):
        clients[number % len(clients)].act("send", room=str(room), text=str(number))
    for client in clients:
        assert [event["seq"] for event in client.events_until(22)] == list(range(3, 23))
    assert server.readiness()["layer"] == "ok"
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 10
    for client in clients:
        assert client.event()["event"] == "draining"
        client.connection.close()
