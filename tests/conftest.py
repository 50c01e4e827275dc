"""Fixtures that every folder uses."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Protocol
from uuid import UUID

import pytest

from rooms import services
from rooms.schema import NewMember, NewRoom
from tests.people import Person, make_person
from tests.servers import SERVE, Server


class StartServer(Protocol):
    """Starts one more server, with such an environment."""

    def __call__(self, *, command: Sequence[str] = SERVE, **environment: str) -> Server: ...


@contextmanager
def starting(directory: Path) -> Iterator[StartServer]:
    """Whatever comes of the servers that are started meanwhile, they are stopped."""
    servers: list[Server] = []
    numbers = count()  # it may be called by several threads

    def start(*, command: Sequence[str] = SERVE, **environment: str) -> Server:
        server = Server(directory / f"server{next(numbers)}.log", command=command, **environment)
        servers.append(server)
        return server.start()

    try:
        yield start
    finally:
        for server in servers:
            server.stop()


@contextmanager
def watched(*servers: Server) -> Iterator[None]:
    """None of them logs a traceback meanwhile; those that were killed are back afterwards.

    Not looked at is what they log when the database is emptied under them, between two tests.
    """
    before = [len(server.log) for server in servers]
    yield
    for server in servers:
        if not server.is_running:
            server.start()
    for server, start in zip(servers, before, strict=True):
        assert "Traceback" not in server.log[start:], server.log[start:]


@pytest.fixture(scope="session")
def _server(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with starting(tmp_path_factory.mktemp("server")) as start:
        yield start()


@pytest.fixture
def server(_server: Server, transactional_db: None) -> Iterator[Server]:
    """A running server on the test's database, which tests share."""
    with watched(_server):
        yield _server


@pytest.fixture
def start_server(transactional_db: None, tmp_path: Path) -> Iterator[StartServer]:
    """For tests that want servers of their own, which log no traceback either."""
    with starting(tmp_path) as start:
        yield start
    for log in tmp_path.glob("server*.log"):
        assert "Traceback" not in log.read_text(), log.read_text()


@pytest.fixture(scope="module")
def start_shared_server(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartServer]:
    """For modules whose tests share a server of their own, and watch it."""
    with starting(tmp_path_factory.mktemp("shared")) as start:
        yield start


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
    joined = services.create_room(user_id=alice.id, new=NewRoom(name="Tea", kind="private"))
    services.add_member(user_id=alice.id, room_id=joined.room.id, new=NewMember(user=bob.id))
    return joined.room.id


@pytest.fixture
def public_room(alice: Person) -> UUID:
    """A public room with Alice alone (seq 1)."""
    return services.create_room(user_id=alice.id, new=NewRoom(name="Plaza", kind="public")).room.id
