"""A socket over our server protocol: ready frames go straight into the connection, and come straight from it."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from accounts.schema import Principal
from messaging.fanout.feed import Outlet, Unready
from messaging.transport.frame_queue import FrameHandler, FrameQueue, RawFrame
from messaging.transport.socket import OnDrained, Socket
from messaging.wire.closes import Close
from messaging.wire.framing import Frames, frame_text

# The ASGI scope extension under which our server protocol offers itself.
EXTENSION = "roomlog.direct"


class DirectConnection(Protocol):
    """What our server protocol offers a socket beyond ASGI."""

    def attach(self, socket: "DirectSocket") -> Outlet | None: ...

    def keep(self, wire: bytes) -> None: ...

    def listen(self, on_frame: Callable[[RawFrame], None]) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def close_with(self, code: int, reason: str) -> None: ...


class DirectSocket(Socket):
    """Sends ready frames straight into the connection, and has frames handled as they come from it.

    What the kernel does not take is kept by the server: the socket is congested for as long as there is any of it.
    """

    __slots__ = ("_connection", "_frame_queue", "_loop", "_soon", "_unready")

    def __init__(
        self,
        connection: DirectConnection,
        *,
        principal: Principal,
        send_window: int,
        on_drained: OnDrained,
        unready: Unready,
    ) -> None:
        super().__init__(principal=principal, send_window=send_window, on_drained=on_drained)
        self._connection = connection
        self._unready = unready  # it is among them while `_soon` holds something, or it is congested
        self._loop = asyncio.get_running_loop()
        self._soon = b""
        self._frame_queue: FrameQueue | None = None
        self.outlet = connection.attach(self)

    def listen(self, handler: FrameHandler) -> None:
        super().listen(handler)
        self._frame_queue = FrameQueue(handler, self, loop=self._loop)
        self._connection.listen(self._frame_queue.put)

    def pause_reading(self) -> None:
        self._connection.pause_reading()

    def resume_reading(self) -> None:
        self._connection.resume_reading()

    def write(self, frames: Frames) -> None:
        self._put(frames.wire)

    def keep(self, wire: bytes) -> None:
        self._connection.keep(wire)

    def write_soon(self, payload: bytes) -> None:
        if not self._soon:
            self._loop.call_soon(self._flush)
        self._soon += frame_text(payload)
        self._unready.add(self)

    def close(self, close: Close) -> None:
        self._flush()
        self._connection.close_with(close.code, close.reason)

    async def leave(self, close: Close) -> None:
        self.is_leaving = True
        if self._frame_queue is not None and not self.congested:
            await self._frame_queue.settled()
        await super().leave(close)

    def stop(self) -> None:
        if self._frame_queue is not None:
            self._frame_queue.stop()
        self._frame_queue = self._handler = None

    def filled(self) -> None:
        """The server keeps something: more should wait until `drained` is called."""
        self.congested = True
        self._unready.add(self)

    def drained(self) -> None:
        if not self._soon:
            self._unready.discard(self)
        super().drained()

    def ended(self) -> None:
        """The last was written: the server lets what follows go nowhere."""
        self.outlet = None
        for follower in self.followers.values():
            follower.feed.forget_roster()

    def _flush(self) -> None:
        if self._soon:
            self._put(b"")

    def _put(self, wire: bytes) -> None:
        if self._soon:
            wire = self._soon + wire
            self._soon = b""
        sent = 0
        if self.outlet is not None and not self.congested:
            try:
                sent = self.outlet(wire)
            except OSError:  # it takes nothing now, or it is broken, which the server finds out with the rest
                sent = 0
        if sent < len(wire):
            self.keep(wire[sent:])
        if not self.congested:
            self._unready.discard(self)
