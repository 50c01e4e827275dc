"""Our protocol class where uvicorn itself encrypts: the transport writes, with the same promises."""

import ssl
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.conftest import watched
from tests.engine import only_on
from tests.faults.test_slow_reader import narrow_socket
from tests.people import Person
from tests.servers import Server
from tests.sockets import Client

pytestmark = only_on("sqlite")

PROGRAM = """
import sys, uvicorn
files = dict(zip(("ssl_certfile", "ssl_keyfile"), sys.argv[1:3]))
uvicorn.run("config.asgi:application", port=int(sys.argv[-1]), ws="messaging.server:RoomlogProtocol", **files)
"""


class EncryptedServer(Server):
    def __init__(self, directory: Path) -> None:
        files = write_certificate(directory)
        command = (sys.executable, "-c", PROGRAM, *map(str, files))
        super().__init__(directory / "log", command=command, DJANGO_SETTINGS_MODULE="config.settings")
        self.url = self.url.replace("http:", "https:")
        self.ws_url = self.ws_url.replace("ws:", "wss:")


def write_certificate(directory: Path) -> tuple[Path, Path]:
    """A certificate that nobody vouches for, and its key."""
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


def client_of(server: Server, person: Person, **options: Any) -> Client:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return Client(server, person, ssl=context, **options)


def test_it_works(encrypted_server: Server, room: UUID, alice: Person, bob: Person) -> None:
    with client_of(encrypted_server, alice) as sender, client_of(encrypted_server, bob) as follower:
        follower.act("join", room=str(room))
        sends = [sender.start("send", room=str(room), text=str(number)) for number in range(100)]
        assert [sender.reply(send)["response_status"] for send in sends] == [201] * 100
        assert [event["seq"] for event in follower.events_until(102)] == list(range(3, 103))


def test_it_lets_a_slow_reader_catch_up(encrypted_server: Server, room: UUID, alice: Person, bob: Person) -> None:
    slow = client_of(encrypted_server, bob, sock=narrow_socket(encrypted_server), max_queue=1)
    slow.act("join", room=str(room))
    with client_of(encrypted_server, alice) as sender:
        sends = [sender.start("send", room=str(room), text="x" * 3_500) for _ in range(300)]
        assert [sender.reply(send)["response_status"] for send in sends] == [201] * 300
    assert [event["seq"] for event in slow.events_until(302)] == list(range(3, 303))
    slow.connection.close()
