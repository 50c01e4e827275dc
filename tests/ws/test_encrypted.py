"""With uvicorn's own TLS, our protocol class writes through the transport, with the same guarantees."""

import json
import ssl
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.asyncio.client import ClientConnection, connect

from tests.conftest import watched
from tests.engine import only_on
from tests.faults.test_slow_reader import narrow_socket
from tests.people import Person
from tests.servers import Server

pytestmark = only_on("sqlite")

PROGRAM = """
import sys, uvicorn
PROTOCOL = "messaging.transport.uvicorn_protocol:RoomlogProtocol"
files = dict(zip(("ssl_certfile", "ssl_keyfile"), sys.argv[1:3]))
uvicorn.run("config.asgi:application", port=int(sys.argv[-1]), ws=PROTOCOL, **files)
"""


class EncryptedServer(Server):
    def __init__(self, directory: Path) -> None:
        files = write_certificate(directory)
        command = (sys.executable, "-c", PROGRAM, *map(str, files))
        super().__init__(directory / "log", command=command, scheme="https", DJANGO_SETTINGS_MODULE="config.settings")


def write_certificate(directory: Path) -> tuple[Path, Path]:
    """Writes a self-signed certificate and its key. Returns their paths."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=key.public_key(),
        serial_number=1,
        not_valid_before=now - timedelta(days=1),
        not_valid_after=now + timedelta(days=1),
    ).sign(key, hashes.SHA256())
    encoding = serialization.Encoding.PEM
    certificate_file, key_file = directory / "certificate.pem", directory / "key.pem"
    certificate_file.write_bytes(certificate.public_bytes(encoding))
    key_file.write_bytes(key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return certificate_file, key_file


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
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    async with connect(
        server.ws_url, ssl=context, additional_headers=person.headers, compression=None, max_size=None, **options
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
