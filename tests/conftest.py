"""Fixtures that every folder uses."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol
from uuid import UUID

import pytest
from pytest_django import DjangoDbBlocker

from rooms import services
from rooms.schema import MemberDraft, RoomDraft
from tests.people import Person, make_person
from tests.servers import SERVE, Server


@pytest.fixture(scope="session")
def _server(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    log_path: Path = tmp_path_factory.mktemp("server") / "server.log"
    with django_db_blocker.unblock():
        server = Server(log_path).start()
    yield server
    server.stop()


@pytest.fixture
def server(_server: Server, transactional_db: None) -> Iterator[Server]:
    """A running server on the test's database; whatever a test does, it logs no traceback."""
    before = len(_server.log)
    yield _server
    assert "Traceback" not in _server.log[before:], _server.log[before:]


class StartServer(Protocol):
    """Starts one more server, with such an environment."""

    def __call__(self, *, command: Sequence[str] = SERVE, **environment: str) -> Server: ...


@pytest.fixture
def start_server(transactional_db: None, tmp_path: Path) -> Iterator[StartServer]:
    """For tests that do things to servers: whatever comes of it, they are stopped, and logged no traceback."""
    servers: list[Server] = []

    def start(*, command: Sequence[str] = SERVE, **environment: str) -> Server:
        server = Server(tmp_path / f"server{len(servers)}.log", command=command, **environment)
        servers.append(server)
        return server.start()

    yield start
    for server in servers:
        server.stop()
    for server in servers:
        assert "Traceback" not in server.log, server.log


@pytest.fixture
def alice(db: None) -> Person:
    """Owns `room`."""
    return make_person("alice")


@pytest.fixture
def bob(db: None) -> Person:
    """A member of `room`."""
    return make_person("bob")


@pytest.fixture
def charlie(db: None) -> Person:
    """In no room."""
    return make_person("charlie")


@pytest.fixture
def room(alice: Person, bob: Person) -> UUID:
    """A private room with Alice (seq 1) and Bob (seq 2)."""
    joined = services.create_room(user_id=alice.id, draft=RoomDraft(name="Tea", kind="private"))
    services.add_member(user_id=alice.id, room_id=joined.room.id, draft=MemberDraft(user=bob.id))
    return joined.room.id


@pytest.fixture
def public_room(alice: Person) -> UUID:
    """A public room with Alice alone (seq 1)."""
    return services.create_room(user_id=alice.id, draft=RoomDraft(name="Plaza", kind="public")).room.id
