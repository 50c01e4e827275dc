"""The network between one client and the consumer that serves it: frames as bytes, a peer that may stop reading."""

import asyncio
import struct
from collections import deque
from typing import Any, Protocol

import msgspec

from accounts.schema import User
from messaging.consumers.chat import ChatConsumer
from messaging.transport.direct import EXTENSION, DirectSocket
from messaging.wire.frames import SUBPROTOCOL
from tests.simulation.worker import Worker

GONE = 1006


class Peer(Protocol):
    """The client's end."""

    is_reading: bool

    def take(self, payload: bytes) -> None: ...

    def closed(self, code: int) -> None: ...

    def blame(self, what: str) -> None: ...


class Wire:
    """In the place of our server protocol: takes frames at once, and what the peer does not read waits here.

    Some of it as in a kernel, the rest as kept by the server.
    """

    def __init__(self, connection: "Connection", *, max_bytes: int) -> None:
        self.congested = False
        self._connection = connection
        self._max_bytes = max_bytes
        self._unsent = bytearray()
        self._socket: Any = None

    def attach(self, socket: DirectSocket) -> Any:
        self._socket = socket
        return self._send if self._connection.is_open else None

    def listen(self, on_frame: Any) -> None:
        self._connection.on_frame = on_frame
        self._connection.deliver()

    def pause_reading(self) -> None:
        self._connection.is_read = False

    def resume_reading(self) -> None:
        self._connection.is_read = True
        self._connection.deliver()

    def _send(self, wire: bytes) -> int:
        if not self._connection.is_open:
            self._connection.peer.blame("is sent something after the end")
        if self._connection.peer.is_reading:
            taken = wire
        elif not (taken := wire[: max(self._max_bytes - len(self._unsent), 0)]):
            raise BlockingIOError
        self._unsent += taken
        if self._connection.peer.is_reading:
            self._flush()
        return len(taken)

    def keep(self, wire: bytes) -> None:
        if self._connection.is_open:
            self._unsent += wire
            self.congested = True
            self._socket.filled()

    def close_with(self, code: int, reason: str) -> None:
        self._connection.end(code)

    def drain(self) -> None:
        self._flush()
        if self.congested:
            self.congested = False
            self._socket.drained()

    def lost(self) -> None:
        self._unsent.clear()
        self.congested = False
        if self._socket is not None:
            self._socket.ended()
            self._socket.drained()

    def _flush(self) -> None:
        taken, self._unsent = bytes(self._unsent), bytearray()
        for payload in payloads_of(taken):
            self._connection.peer.take(payload)


class Connection:
    """One socket. A direct one has a wire, as under our server; the other kind goes through ASGI `send` alone."""

    def __init__(self, worker: Worker, peer: Peer, user: User, *, is_direct: bool) -> None:
        self.worker = worker
        self.peer = peer
        self.is_open = True
        self.is_read = True
        self.on_frame: Any = None  # once the server listens
        self._said: deque[str] = deque()
        self._frames: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._frames.put_nowait({"type": "websocket.connect"})
        self._readable = asyncio.Event()
        self._wire = Wire(self, max_bytes=worker.limits.send_buffer_bytes) if is_direct else None
        scope = {
            "type": "websocket",
            "headers": [(b"authorization", b"Bearer " + user.username.encode())],
            "subprotocols": [SUBPROTOCOL],
            "state": {"engine": worker},
            "extensions": {EXTENSION: self._wire} if self._wire else {},
        }
        self._served = worker.loop.create_task(self._serve(scope))

    def say(self, frame: dict[str, object]) -> None:
        """To the server; what is not read before the connection ends is lost."""
        text = msgspec.json.encode(frame).decode()
        if self._wire is None:
            self._frames.put_nowait({"type": "websocket.receive", "text": text})
        else:
            self._said.append(text)
            self.deliver()

    def deliver(self) -> None:
        """Hand over what was said to a server that reads it without ASGI."""
        while self._said and self.is_read and self.is_open and self.on_frame is not None:
            self.on_frame(self._said.popleft())

    def drain(self) -> None:
        """The peer reads again."""
        self._readable.set()
        self._readable.clear()
        if self._wire:
            self._wire.drain()

    def end(self, code: int = GONE) -> None:
        """From whichever side."""
        if not self.is_open:
            return
        self.is_open = False
        self._frames.put_nowait({"type": "websocket.disconnect", "code": code})
        self._readable.set()
        if self._wire:
            self._wire.lost()
        self.peer.closed(code)

    async def _serve(self, scope: dict[str, Any]) -> None:
        """As a server does: that the peer has gone is no incident."""
        try:
            await ChatConsumer.as_asgi()(scope, self._frames.get, self._send)
        except OSError:
            pass
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a fault
            self.peer.blame(f"has its socket end with {error!r}")

    async def _send(self, message: dict[str, Any]) -> None:
        while self.is_open and not self.peer.is_reading:
            await self._readable.wait()
        if not self.is_open:
            raise OSError("the peer has gone")
        if message["type"] == "websocket.send":
            self.peer.take(message["text"].encode())
        elif message["type"] == "websocket.close":
            self.end(message["code"])


def payloads_of(wire: bytes) -> list[bytes]:
    """The text frames that `wire` is made of (RFC 6455, section 5.2)."""
    payloads = []
    while wire:
        start, size = 2, wire[1]
        if size == 126:
            start, size = 4, struct.unpack("!H", wire[2:4])[0]
        elif size == 127:
            start, size = 10, struct.unpack("!Q", wire[2:10])[0]
        payloads.append(wire[start : start + size])
        wire = wire[start + size :]
    return payloads
