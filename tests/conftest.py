"""Fixtures for every folder: Alice owns `room`, Bob is a member, Charlie is not."""

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
    """Starts another server, with these environment variables."""

    def __call__(self, *, command: Sequence[str] = SERVE, scheme: str = "http", **environment: str) -> Server: ...


@contextmanager
def starting(directory: Path) -> Iterator[StartServer]:
    """Yields a function that starts servers, and stops them all at the end."""
    servers: list[Server] = []
    numbers = count()  # thread-safe: several threads may start servers

    def start(*, command: Sequence[str] = SERVE, scheme: str = "http", **environment: str) -> Server:
        log = directory / f"server{next(numbers)}.log"
        server = Server(log, command=command, scheme=scheme, **environment)
        servers.append(server)
        return server.start()

    try:
        yield start
    finally:
        for server in servers:
            server.stop()


@contextmanager
def watched(*servers: Server) -> Iterator[None]:
    """Asserts that these servers log no traceback inside the block. Starts those again that were killed in it.

    What they log between two tests, when the tables are truncated, is not checked.
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
    """A running server with the test database. All tests share it."""
    with watched(_server):
        yield _server


@pytest.fixture
def start_server(transactional_db: None, tmp_path: Path) -> Iterator[StartServer]:
    """Starts servers for one test. They must log no traceback."""
    with starting(tmp_path) as start:
        yield start
    for log in tmp_path.glob("server*.log"):
        assert "Traceback" not in log.read_text(), log.read_text()


@pytest.fixture(scope="module")
def start_shared_server(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartServer]:
    """Starts servers for all tests of a module. The tests use `watched` themselves."""
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
