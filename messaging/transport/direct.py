"""A socket on our own server protocol: frames go straight to the kernel and come straight from the parser. Pure."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from accounts.schema import Principal
from messaging.fanout.feed import Outlet, Unready
from messaging.transport.frame_queue import FrameHandler, FrameQueue, RawFrame
from messaging.transport.socket import LEAVE, OnDrained, Socket, Transition
from messaging.wire.closes import Close
from messaging.wire.framing import Frames, frame_text

# The key in the ASGI scope's `extensions` under which our server protocol offers a `DirectConnection`.
EXTENSION = "roomlog.direct"


class DirectConnection(Protocol):
    """What our server protocol offers beyond ASGI.

    It calls `filled`, `drained` and `ended` of the socket that is attached to it.
    """

    def attach(self, socket: "DirectSocket") -> Outlet | None:
        """Report to `socket` from now on.

        Returns a function that writes frames to the kernel, or None if they must go through `keep`.
        """

    def keep(self, wire: bytes) -> None:
        """Send framed bytes as soon as the kernel takes them. Calls `filled` if it does not take them now."""

    def listen(self, on_frame: Callable[[RawFrame], None]) -> None:
        """Call `on_frame` with each message of the client, those included that came before this call."""

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def close_with(self, code: int, reason: str) -> None:
        """Send a close frame, then call `ended`."""


class DirectSocket(Socket):
    """Writes to the kernel itself. The server keeps what the kernel does not take; while it does, this is congested.

    A socket through whose outlet nothing may be written now is in `unready`: it is congested, or has a deferred reply.
    """

    __slots__ = ("_connection", "_deferred", "_frame_queue", "_loop", "_unready")

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
        self._unready = unready
        self._loop = asyncio.get_running_loop()
        self._deferred = b""  # framed replies that precede the next write
        self._frame_queue: FrameQueue | None = None
        self.outlet = connection.attach(self)

    # -- frames of the client -----------------------------------------------------------------------------------------

    def listen(self, handler: FrameHandler) -> None:
        super().listen(handler)
        self._frame_queue = FrameQueue(handler, self, loop=self._loop)
        self._connection.listen(self._frame_queue.put)

    def pause_reading(self) -> None:
        self._connection.pause_reading()

    def resume_reading(self) -> None:
        self._connection.resume_reading()

    # -- frames to the client -----------------------------------------------------------------------------------------

    def write(self, frames: Frames) -> None:
        self._put(frames.wire)

    def write_soon(self, payload: bytes) -> None:
        if self.state.is_over:
            return
        if not self._deferred:
            self._loop.call_soon(self._flush)
        self._deferred += frame_text(payload)
        self._unready.add(self)

    def keep(self, wire: bytes) -> None:
        if not self.state.is_over:
            self._connection.keep(wire)

    def _flush(self) -> None:
        if self._deferred:
            self._put(b"")

    def _put(self, wire: bytes) -> None:
        if self._deferred:
            wire = self._deferred + wire
            self._deferred = b""
        sent = 0
        if self.outlet is not None and not self.congested:
            try:
                sent = self.outlet(wire)
            except OSError:  # the kernel's buffer is full, or the connection is broken, which the server notices
                sent = 0
        if sent < len(wire):
            self.keep(wire[sent:])
        if not self.congested:
            self._unready.discard(self)

    # -- the end ------------------------------------------------------------------------------------------------------

    async def leave(self, close: Close) -> None:
        self._transition(LEAVE)
        if self._frame_queue is not None and not self.congested:
            await self._frame_queue.settled()
        await super().leave(close)

    def close(self, close: Close) -> None:
        self._flush()
        super().close(close)

    def _send_close(self, close: Close) -> None:
        self._connection.close_with(close.code, close.reason)

    def stop(self) -> None:
        super().stop()
        if self._frame_queue is not None:
            self._frame_queue.stop()
        self._frame_queue = self._handler = None

    def _transition(self, transition: Transition) -> None:
        super()._transition(transition)
        if self.state.is_over:
            self._deferred = b""
        if self.state.is_congested or self._deferred:
            self._unready.add(self)
        else:
            self._unready.discard(self)
