"""A certificate for tests, and a server that serves TLS with it."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.servers import SERVE, Server


class EncryptedServer(Server):
    """`serve` with TLS."""

    def __init__(self, directory: Path, **environment: str) -> None:
        certificate, key = write_certificate(directory)
        command = (*SERVE, "--ssl-certfile", str(certificate), "--ssl-keyfile", str(key))
        super().__init__(directory / "log", command=command, scheme="https", **environment)


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


def trusting_context() -> ssl.SSLContext:
    """Returns the context of a client that accepts any certificate."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
