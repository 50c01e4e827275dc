"""A client that speaks HTTP byte by byte, over TCP or TLS, and breaks its rules."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from tests.certificates import trusting_context
from tests.servers import Server

# Another address of this machine, which is no trusted proxy. Linux has all of 127.0.0.0/8.
STRANGER = "127.0.0.2"

GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Received(NamedTuple):
    """A response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        assert self.headers["content-type"] == "application/problem+json", self
        found: dict[str, Any] = json.loads(self.body)
        assert found["status"] == self.status
        return found


class Wire:
    """One connection to a server, from the address `source`."""

    def __init__(
        self, server: Server, *, source: str = STRANGER, receive_bytes: int | None = None, is_open: bool = True
    ) -> None:
        self._stack = ExitStack()
        raw = self._stack.enter_context(socket.socket())
        if receive_bytes is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        raw.settimeout(10)
        raw.bind((source, 0))
        self.ports: tuple[int, int] = (server.port, raw.getsockname()[1])
        self.socket: socket.socket = raw
        self._received = b""
        self._pause_s = 0.0
        try:
            raw.connect(("127.0.0.1", server.port))
            if server.url.startswith("https:") and is_open:
                self.socket = self._stack.enter_context(trusting_context().wrap_socket(raw))
        except OSError:
            self.close()
            raise

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._stack.close()

    def send(self, *parts: bytes) -> None:
        self.socket.sendall(b"".join(parts))

    @contextmanager
    def sending(self, data: bytes) -> Iterator[None]:
        """Sends until all is sent or the server has closed the connection, while the block reads.

        Over TLS it sends first: in Python 3.11, two threads may not use one TLS connection at once.
        """

        def send() -> None:
            with suppress(OSError):
                self.socket.sendall(data)

        if isinstance(self.socket, ssl.SSLSocket):
            send()
            yield
            return
        sender = threading.Thread(target=send)
        sender.start()
        yield
        sender.join()

    def trickle(self, data: bytes, *, pause_s: float) -> None:
        """Sends byte by byte until all is sent or the server has closed the connection."""
        with suppress(OSError):
            for byte in data:
                self.socket.sendall(bytes([byte]))
                time.sleep(pause_s)

    def response(self, *, pause_s: float = 0) -> Received:
        """Returns the next response. With a pause, it is read in pieces of 2 KiB."""
        self._pause_s = pause_s
        status, *lines = self._until(b"\r\n\r\n").decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(self._until(b"\r\n"), 16):
                body += self._take(size)
                self._take(2)
            self._take(2)
        else:
            body = self._take(int(headers.get("content-length", 0)))
        return Received(int(status.split()[1]), headers, body)

    def _until(self, end: bytes) -> bytes:
        while end not in self._received:
            self._more()
        found, _, self._received = self._received.partition(end)
        return found

    def _take(self, size: int) -> bytes:
        while len(self._received) < size:
            self._more()
        found, self._received = self._received[:size], self._received[size:]
        return found

    def _more(self) -> None:
        time.sleep(self._pause_s)
        data = self.socket.recv(2048 if self._pause_s else 65536)
        if not data:
            raise EOFError(self._received)
        self._received += data

    def rest(self) -> bytes:
        """Returns what comes until the server closes the connection, in order or not."""
        with suppress(OSError, EOFError):
            while True:
                self._more()
        return self._received

    @property
    def is_held(self) -> bool:
        """Whether the server's side of the connection still exists, in the server or in the kernel alone.

        It holds nothing if it only waits for the client to close too (FIN_WAIT2, 05) or for late segments (06).
        """
        mine, theirs = self.ports
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            _, local, remote, state, *_ = line.split()
            if local.endswith(f":{mine:04X}") and remote.endswith(f":{theirs:04X}"):
                return state not in ("05", "06")
        return False

    def wait_until_dropped(self, within_s: float) -> float:
        """Waits until the server holds nothing of the connection. Returns how many seconds that took."""
        start = time.monotonic()
        while self.is_held:
            assert time.monotonic() - start < within_s, "the connection is still held"
            time.sleep(0.05)
        return time.monotonic() - start
