"""The network between a client and its consumer. Frames travel as bytes, and the client may stop reading."""

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

ABNORMAL_CLOSURE = 1006  # the connection broke: no close frame was sent (RFC 6455, section 7.4.1)


class Peer(Protocol):
    """The client, as the network sees it."""

    is_reading: bool

    def receive(self, payload: bytes) -> None:
        """Called with the payload of each text frame of the server."""

    def closed(self, code: int) -> None:
        """Called once, when either side has closed the connection."""

    def report(self, fault: str) -> None:
        """Records a fault of the server, as a sentence whose subject is the client."""


class Wire:
    """Stands for our server protocol. Buffers what the peer does not read.

    Up to `max_bytes` are accepted as by a kernel. Beyond that the socket must call `keep`, and is congested.
    """

    def __init__(self, connection: "Connection", *, max_bytes: int) -> None:
        self.congested = False
        self._connection = connection
        self._max_bytes = max_bytes
        self._unsent = bytearray()
        self._socket: Any = None

    @property
    def is_open(self) -> bool:
        return self._connection.is_open

    def attach(self, socket: DirectSocket) -> Any:
        self._socket = socket
        return self._write if self._connection.is_open else None

    def listen(self, on_frame: Any) -> None:
        self._connection.on_frame = on_frame
        self._connection.deliver()

    def pause_reading(self) -> None:
        self._connection.is_server_reading = False

    def resume_reading(self) -> None:
        self._connection.is_server_reading = True
        self._connection.deliver()

    def _write(self, wire: bytes) -> int:
        if not self._connection.is_open:
            self._connection.peer.report("was written to after its connection had closed")
        if self._connection.peer.is_reading:
            accepted = wire
        elif not (accepted := wire[: max(self._max_bytes - len(self._unsent), 0)]):
            raise BlockingIOError
        self._unsent += accepted
        if self._connection.peer.is_reading:
            self._flush()
        return len(accepted)

    def keep(self, wire: bytes) -> None:
        if self._connection.is_open:
            self._unsent += wire
            self.congested = True
            self._socket.filled()

    def close_with(self, code: int, reason: str) -> None:
        self._connection.close(code)

    def drain(self) -> None:
        self._flush()
        if self.congested:
            self.congested = False
            self._socket.drained()

    def connection_lost(self) -> None:
        self._unsent.clear()
        self.congested = False
        if self._socket is not None:
            self._socket.ended()
            self._socket.drained()

    def _flush(self) -> None:
        sent, self._unsent = bytes(self._unsent), bytearray()
        for payload in payloads_of(sent):
            self._connection.peer.receive(payload)


class Connection:
    """A connection to a worker. If `is_direct`, it has a wire, as on our server; otherwise it is plain ASGI."""

    def __init__(self, worker: Worker, peer: Peer, user: User, *, is_direct: bool) -> None:
        self.worker = worker
        self.peer = peer
        self.is_open = True
        self.is_server_reading = True
        self.on_frame: Any = None  # set when the server starts to listen
        self._unread: deque[str] = deque()
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

    def send(self, frame: dict[str, object]) -> None:
        """Sends `frame` to the server. It is lost if the connection closes before the server has read it."""
        text = msgspec.json.encode(frame).decode()
        if self._wire is None:
            self._frames.put_nowait({"type": "websocket.receive", "text": text})
        else:
            self._unread.append(text)
            self.deliver()

    def deliver(self) -> None:
        """Hands unread frames to the server while it reads. For direct connections only."""
        while self._unread and self.is_server_reading and self.is_open and self.on_frame is not None:
            self.on_frame(self._unread.popleft())

    def drain(self) -> None:
        """Must be called when the peer reads again."""
        self._readable.set()
        self._readable.clear()
        if self._wire:
            self._wire.drain()

    def close(self, code: int = ABNORMAL_CLOSURE) -> None:
        """Closes the connection, from either side. Does nothing if it is closed."""
        if not self.is_open:
            return
        self.is_open = False
        self._frames.put_nowait({"type": "websocket.disconnect", "code": code})
        self._readable.set()
        if self._wire:
            self._wire.connection_lost()
        self.peer.closed(code)

    async def _serve(self, scope: dict[str, Any]) -> None:
        """Runs the consumer. As on a server, it may raise `OSError` after the connection was lost."""
        try:
            await ChatConsumer.as_asgi()(scope, self._frames.get, self._send_to_peer)
        except OSError:
            pass
        except Exception as error:  # noqa: BLE001 - any other error is a fault
            self.peer.report(f"was served by a consumer that raised {error!r}")

    async def _send_to_peer(self, message: dict[str, Any]) -> None:
        while self.is_open and not self.peer.is_reading:
            await self._readable.wait()
        if not self.is_open:
            raise OSError("the connection is closed")
        if message["type"] == "websocket.send":
            self.peer.receive(message["text"].encode())
        elif message["type"] == "websocket.close":
            self.close(message["code"])


def payloads_of(wire: bytes) -> list[bytes]:
    """Returns the payloads of the text frames in `wire` (RFC 6455, section 5.2)."""
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
