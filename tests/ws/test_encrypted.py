"""With TLS of the server's own, our protocol class writes through the transport, with the same guarantees."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.certificates import EncryptedServer, trusting_context
from tests.conftest import watched
from tests.engine import only_on
from tests.faults.test_slow_reader import narrow_socket
from tests.people import Person
from tests.servers import Server

pytestmark = only_on("sqlite")


@pytest.fixture(scope="module")
def _encrypted_server(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = EncryptedServer(tmp_path_factory.mktemp("encrypted"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def encrypted_server(_encrypted_server: Server, transactional_db: None) -> Iterator[Server]:
    with watched(_encrypted_server):
        yield _encrypted_server


@asynccontextmanager
async def connected(server: Server, person: Person, **options: Any) -> AsyncIterator[ClientConnection]:
    """Connects on the event loop: in Python 3.11, two threads may not use one TLS connection at once."""
    async with connect(
        server.ws_url,
        ssl=trusting_context(),
        additional_headers=person.headers,
        compression=None,
        max_size=None,
        **options,
    ) as connection:
        assert json.loads(await connection.recv())["event"] == "hello"
        yield connection


async def join(connection: ClientConnection, room: UUID) -> None:
    await connection.send(json.dumps({"action": "join", "room": str(room)}))
    assert json.loads(await connection.recv())["response_status"] == 200


async def send_all(connection: ClientConnection, room: UUID, text: str, count: int) -> None:
    for _ in range(count):
        await connection.send(json.dumps({"action": "send", "room": str(room), "text": text}))
    assert [json.loads(await connection.recv())["response_status"] for _ in range(count)] == [201] * count


async def seqs(connection: ClientConnection, count: int) -> list[int]:
    return [json.loads(await connection.recv())["seq"] for _ in range(count)]


async def test_it_works(encrypted_server: Server, room: UUID, alice: Person, bob: Person) -> None:
    async with connected(encrypted_server, alice) as sender, connected(encrypted_server, bob) as follower:
        await join(follower, room)
        await send_all(sender, room, "hi", 100)
        assert await seqs(follower, 100) == list(range(3, 103))


async def test_it_lets_a_slow_reader_catch_up(encrypted_server: Server, room: UUID, alice: Person, bob: Person) -> None:
    narrow = narrow_socket(encrypted_server)
    async with (
        connected(encrypted_server, alice) as sender,
        connected(encrypted_server, bob, sock=narrow, max_queue=1) as slow,
    ):
        await join(slow, room)
        await send_all(sender, room, "x" * 3_500, 300)
        assert await seqs(slow, 300) == list(range(3, 303))
