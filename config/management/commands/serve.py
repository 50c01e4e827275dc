"""`manage.py serve`: run uvicorn with the options that Roomlog requires."""

import resource
import socket
import ssl
import sys
from argparse import ArgumentParser
from contextlib import suppress
from typing import Any

import structlog
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from uvicorn import Server
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from config.server.tls import ServerConfig

PING_INTERVAL_S = 20.0
MAX_FILES = 1_000_000
BACKLOG = 65_535  # connections that are not accepted yet; the kernel lowers it to net.core.somaxconn
# In each turn of its loop, libuv accepts one connection from each descriptor. With one descriptor, a herd waits in the
# kernel until its queue is full, and then for as long as TCP waits between two attempts (1, 2, 4, 8 s).
ACCEPTS_PER_TURN = 8
STOP_S = 2  # for connections that are still open after the drain

log = structlog.get_logger(__name__)


class Command(BaseCommand):
    help = "Migrate the database, then serve REST and the WebSocket."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--workers", type=int, default=1)
        parser.add_argument("--ssl-certfile", help="serve TLS with this certificate, and those it depends on (PEM)")
        parser.add_argument("--ssl-keyfile", help="the key of the certificate (PEM), if it is not in the same file")
        parser.add_argument("--no-migrate", action="store_true", help="start without applying migrations")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["workers"] < 1:
            raise CommandError("--workers must be at least 1")
        _check_address(options["host"], options["port"])
        _check_certificate(options["ssl_certfile"], options["ssl_keyfile"])
        if not options["no_migrate"]:
            call_command("migrate", verbosity=0, interactive=False)
        connection.close()
        if options["workers"] > 1 and not settings.REDIS_URLS:
            log.warning("without REDIS_URL, events reach the other workers up to 1.5 s late")
        _raise_file_limit()
        self._greet(f"{'https' if options['ssl_certfile'] else 'http'}://{options['host']}:{options['port']}")
        config = ServerConfig(
            "config.asgi:application",
            host=options["host"],
            port=options["port"],
            workers=options["workers"],
            ssl_certfile=options["ssl_certfile"],
            ssl_keyfile=options["ssl_keyfile"],
            loop="uvloop",
            http="config.server.protocol:HttpProtocol",
            ws="messaging.transport.uvicorn_protocol:RoomlogProtocol",
            ws_max_size=settings.ROOMLOG_LIMITS.max_frame_bytes,
            # Compression costs memory for each socket, and chat frames are small.
            ws_per_message_deflate=False,
            ws_ping_interval=PING_INTERVAL_S,
            ws_ping_timeout=PING_INTERVAL_S,
            lifespan="on",
            interface="asgi3",
            log_config=None,  # LOGGING in config/settings.py applies
            access_log=False,
            backlog=BACKLOG,
            server_header=False,
            proxy_headers=False,  # config/forwarded.py reads them
            timeout_graceful_shutdown=STOP_S,
        )
        with suppress(KeyboardInterrupt):
            _run(config)

    def _greet(self, url: str) -> None:
        self.stdout.write(
            f"Starting Roomlog on {url} (database: {connection.vendor})\n"
            f"  documents: {url}/docs/ · {url}/openapi.yaml · {url}/asyncapi.yaml\n"
            f"  try it:    curl -X POST {url}/_allauth/app/v1/auth/signup"
            ' -H "Content-Type: application/json" -d \'{"username": "alice", "password": "wonderland-7"}\'\n'
            "  next:      see README.md. Press Ctrl-C to stop."
        )
        self.stdout.flush()


def _run(config: ServerConfig) -> None:
    """Does what `uvicorn.run` does, on several descriptors of one listening socket."""
    listening = config.bind_socket()
    sockets = [listening, *(listening.dup() for _ in range(ACCEPTS_PER_TURN - 1))]
    if config.workers > 1:
        Multiprocess(config, sockets=sockets).run()
        return
    server = Server(config)
    server.run(sockets=sockets)
    if not server.started:
        sys.exit(STARTUP_FAILURE)


def _check_address(host: str, port: int) -> None:
    """Raises `CommandError` if the address cannot be bound, before anything is announced."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            raise CommandError(f"cannot listen on {host}:{port} ({error}): use another --host or --port") from None


def _check_certificate(certfile: str | None, keyfile: str | None) -> None:
    """Raises `CommandError` if TLS is asked for and its files cannot be used."""
    if keyfile and not certfile:
        raise CommandError("--ssl-keyfile needs --ssl-certfile")
    if certfile:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certfile, keyfile)
        except OSError as error:
            raise CommandError(f"cannot serve TLS with these files ({error})") from None


def _raise_file_limit() -> None:
    """Raises the limit on open files as far as the system allows, because every socket is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_FILES if most == resource.RLIM_INFINITY else min(most, MAX_FILES)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
    except (OSError, ValueError) as error:
        log.warning("could not raise the limit on open files", error=str(error))
