"""Clients that may stop reading, at the other end of each kind of socket."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from asgiref.typing import ASGISendEvent

from messaging.fanout.feed import Outlet, Unready
from messaging.transport.direct import DirectSocket
from messaging.transport.frame_queue import RawFrame
from messaging.transport.plain_asgi import AsgiSocket
from messaging.transport.socket import Socket, SocketState
from messaging.wire.framing import Frames
from tests.unit.examples import principal

MAX_BYTES = 100  # payloads that an `AsgiSocket` queues before it is congested
STALLED_S = 10.0
LARGE = b"x" * (MAX_BYTES + 1)


class Client(Protocol):
    """One client, and its socket on the server."""

    close_codes: list[int]
    drained: list[Socket]  # the calls of `on_drained`

    @property
    def socket(self) -> Socket: ...

    @property
    def received(self) -> list[bytes]:
        """The payloads that the client has read."""

    def stop_reading(self) -> None: ...

    def read_again(self) -> None: ...

    def vanish(self) -> None:
        """Loses the connection."""


def state_of(client: Client) -> SocketState:
    return client.socket.state


def congest(client: Client) -> None:
    """Stops reading, and has the socket write more than its buffer takes."""
    client.stop_reading()
    client.socket.write(Frames((LARGE,)))


class DirectClient:
    """Also the server protocol between the two: what the client does not read is kept here."""

    def __init__(self, *, is_encrypted: bool = False, is_over: bool = False) -> None:
        self.writes: list[bytes] = []  # what the kernel took at once
        self.close_codes: list[int] = []
        self.drained: list[Socket] = []
        self.unready = Unready()
        self.takes = 2**20  # bytes that the kernel takes in one call
        self.on_frame: Callable[[RawFrame], None] | None = None
        self._is_encrypted = is_encrypted
        self._is_over = is_over
        self._is_reading = True
        self._kept = b""
        self.socket = DirectSocket(
            self, principal=principal(), send_window=2, on_drained=self.drained.append, unready=self.unready
        )

    @property
    def received(self) -> list[bytes]:
        return payloads_of(b"".join(self.writes))

    def stop_reading(self) -> None:
        self._is_reading = False

    def read_again(self) -> None:
        self._is_reading = True
        if self._kept:
            self.writes.append(self._kept)
            self._kept = b""
            self.socket.drained()

    def vanish(self) -> None:
        self._kept = b""
        self.socket.ended()

    # -- as a `DirectConnection` --------------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        return not self._is_over

    def attach(self, owner: DirectSocket) -> Outlet | None:
        if self._is_over:
            owner.ended()
        return None if self._is_over or self._is_encrypted else self._send

    def _send(self, wire: bytes) -> int:
        if not self._is_reading:
            raise BlockingIOError
        self.writes.append(wire[: self.takes])
        return len(self.writes[-1])

    def keep(self, wire: bytes) -> None:
        self._kept += wire
        if self._is_encrypted and self._is_reading:
            self.writes.append(self._kept)
            self._kept = b""
        else:
            self.socket.filled()

    def listen(self, on_frame: Callable[[RawFrame], None]) -> None:
        self.on_frame = on_frame

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def close_with(self, code: int, reason: str) -> None:
        self.close_codes.append(code)
        self.socket.ended()


class AsgiClient:
    """Also the ASGI server between the two: `send` waits while the client does not read."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.close_codes: list[int] = []
        self.drained: list[Socket] = []
        self._may_send = asyncio.Event()
        self._may_send.set()
        self._is_lost = False
        self.socket = AsgiSocket(
            self._send,
            principal=principal(),
            send_window=2,
            on_drained=self.drained.append,
            max_bytes=MAX_BYTES,
            stalled_s=STALLED_S,
        )

    def stop_reading(self) -> None:
        self._may_send.clear()

    def read_again(self) -> None:
        self._may_send.set()

    def vanish(self) -> None:
        self._is_lost = True
        self._may_send.set()

    async def _send(self, event: ASGISendEvent) -> None:
        await self._may_send.wait()
        if self._is_lost:
            raise ConnectionResetError
        if event["type"] == "websocket.send":
            self.received.append((event["text"] or "").encode())
        elif event["type"] == "websocket.close":
            self.close_codes.append(event["code"])


def payloads_of(wire: bytes) -> list[bytes]:
    """Returns the payloads of short text frames (up to 125 bytes)."""
    payloads = []
    while wire:
        end = 2 + wire[1]
        payloads.append(wire[2:end])
        wire = wire[end:]
    return payloads
