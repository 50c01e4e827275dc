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
    """What our server protocol offers a socket beyond ASGI."""

    def attach(self, owner: "DirectSocket") -> Outlet | None:
        """Calls `filled`, `drained` and `ended` of `owner` from now on.

        Returns a function that writes frames to the kernel, or None if they must go through `keep` (TLS).
        """

    def keep(self, wire: bytes) -> None:
        """Sends framed bytes when the kernel takes them. Calls `filled` if it does not take all of them now."""

    @property
    def is_open(self) -> bool:
        """Whether neither side has closed the connection."""

    def listen(self, on_frame: Callable[[RawFrame], None]) -> None:
        """Calls `on_frame` with each frame, beginning with those that have arrived already."""

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def close_with(self, code: int, reason: str) -> None:
        """Sends a close frame and calls `ended`. Does nothing if the connection is closing already."""


class DirectSocket(Socket):
    """Writes frames to the kernel. While the connection keeps what the kernel did not take, the socket is congested.

    The socket is in `unready` while it is congested, and while it has deferred replies.
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
        self._deferred = b""  # framed replies, which go out with the next write or at the end of this turn of the loop
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
            except OSError:  # the buffer is full, or the connection is lost, which the server finds out by itself
                sent = 0
        if sent < len(wire):
            self.keep(wire[sent:])
        if not self.congested:
            self._unready.discard(self)

    # -- the end ------------------------------------------------------------------------------------------------------

    async def leave(self, close: Close) -> None:
        self._transition(LEAVE)
        # The queue of a congested socket may be waiting for a client that never reads again.
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
