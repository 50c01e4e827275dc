"""One socket as the hub sees it: a direct one over our server protocol, or one over plain ASGI `send`."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Protocol
from uuid import UUID

from accounts.schema import Principal
from messaging.fanout import Outlet
from messaging.feed import Follower
from messaging.framing import Frames, frame_text
from messaging.inbox import Data, Handler, Inbox
from messaging.limits import Limits
from messaging.protocol import SLOW_READER, Close
from messaging.window import Window

Drained = Callable[["Socket"], None]
Send = Callable[[dict[str, Any]], Awaitable[None]]

# The ASGI scope extension under which our server protocol offers itself.
EXTENSION = "roomlog.direct"


class Wire(Protocol):
    """What our server protocol offers a socket beyond ASGI."""

    def attach(self, socket: "DirectSocket") -> Outlet | None: ...

    def keep(self, wire: bytes) -> None: ...

    def listen(self, on_frame: Callable[[Data], None]) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def close_with(self, code: int, reason: str) -> None: ...


class Socket:
    """What both kinds share. `followers` is the hub's; `writable` lets a reader wait for its writer."""

    __slots__ = (
        "_handler",
        "_on_drained",
        "_waiting",
        "auth_version",
        "congested",
        "followers",
        "is_leaving",
        "outlet",
        "session_id",
        "session_key",
        "user_id",
        "window",
    )

    def __init__(self, *, principal: Principal, send_window: int, on_drained: Drained) -> None:
        self.user_id = principal.user.id
        self.session_key = principal.session_key
        self.session_id = principal.session_id
        self.auth_version = principal.auth_version
        self.window = Window(send_window)
        self.is_leaving = False  # nothing more is read from it
        self.followers: dict[UUID, Follower] = {}
        self.congested = False
        self.outlet: Outlet | None = None
        self._on_drained = on_drained
        self._waiting: list[asyncio.Future[None]] = []

    def listen(self, handler: Handler) -> None:
        """Have `handler` do what the client's frames ask for, from now on."""
        self._handler = handler

    async def receive(self, data: Data) -> None:
        """A frame that came by way of ASGI, and not straight from the server."""
        await self.writable()
        action = self._handler.read(data)
        if action is not None:
            await self._handler.do(action)

    def write(self, frames: Frames) -> None:
        raise NotImplementedError

    def offer(self, frames: Frames) -> bool:
        """Write, unless the socket is congested; false where it is."""
        if self.congested:
            return False
        self.write(frames)
        return True

    def keep(self, wire: bytes) -> None:
        raise NotImplementedError

    def write_soon(self, payload: bytes) -> None:
        """Write before anything else is written, in this turn of the loop."""
        self.write(Frames((payload,)))

    def close(self, close: Close) -> None:
        raise NotImplementedError

    async def leave(self, close: Close) -> None:
        """Close once what was read is answered."""
        self.is_leaving = True
        await self.window.settled()
        self.close(close)

    def stop(self) -> None:
        """The connection is over."""

    async def writable(self) -> None:
        """Wait until the socket takes more: whoever does not read is not read from."""
        while self.congested:
            future = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            await future

    def drained(self) -> None:
        self.congested = False
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)
        self._on_drained(self)


class DirectSocket(Socket):
    """Sends ready frames straight into the connection, and has frames handled as they come from it.

    What the kernel does not take is kept by the server: the socket is congested for as long as there is any of it.
    """

    __slots__ = ("_inbox", "_loop", "_send", "_soon", "_wire")

    def __init__(self, wire: Wire, *, principal: Principal, send_window: int, on_drained: Drained) -> None:
        super().__init__(principal=principal, send_window=send_window, on_drained=on_drained)
        self._wire = wire
        self._loop = asyncio.get_running_loop()
        self._soon = b""
        self._inbox: Inbox | None = None
        self._send = wire.attach(self)
        self.outlet = None if self.congested else self._send

    def listen(self, handler: Handler) -> None:
        super().listen(handler)
        self._inbox = Inbox(handler, self, loop=self._loop)
        self._wire.listen(self._inbox.put)

    def pause_reading(self) -> None:
        self._wire.pause_reading()

    def resume_reading(self) -> None:
        self._wire.resume_reading()

    def write(self, frames: Frames) -> None:
        self._put(frames.wire)

    def keep(self, wire: bytes) -> None:
        self._wire.keep(wire)

    def write_soon(self, payload: bytes) -> None:
        if not self._soon:
            self._loop.call_soon(self._flush)
        self._soon += frame_text(payload)
        self.outlet = None

    def close(self, close: Close) -> None:
        self._flush()
        self._wire.close_with(close.code, close.reason)

    def stop(self) -> None:
        if self._inbox is not None:
            self._inbox.close()

    def full(self) -> None:
        """The server keeps something: more should wait until `drained` is called."""
        self.congested = True
        self.outlet = None

    def drained(self) -> None:
        self.outlet = None if self._soon else self._send
        super().drained()

    def ended(self) -> None:
        """The last was written: the server lets what follows go nowhere."""
        self._send = self.outlet = None

    def _flush(self) -> None:
        if self._soon:
            self._put(b"")

    def _put(self, wire: bytes) -> None:
        if self._soon:
            wire = self._soon + wire
            self._soon = b""
        sent = 0
        if (send := self._send) is not None and not self.congested:
            try:
                sent = send(wire)
            except OSError:  # it takes nothing now, or it is broken, which the server finds out with the rest
                sent = 0
        if sent < len(wire):
            self.keep(wire[sent:])
        if not self.congested:
            self.outlet = self._send


class AsgiSocket(Socket):
    """Writes through ASGI `send`, on any server: a task lives while there is something to send."""

    def __init__(
        self,
        send: Send,
        *,
        principal: Principal,
        send_window: int,
        on_drained: Drained,
        max_bytes: int,
        stalled_s: float,
    ) -> None:
        super().__init__(principal=principal, send_window=send_window, on_drained=on_drained)
        self._send = send
        self._max_bytes = max_bytes
        self._stalled_s = stalled_s
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._closing: Close | None = None
        self._is_over = False
        self._task: asyncio.Task[None] | None = None

    def write(self, frames: Frames) -> None:
        if self._is_over:
            return
        self._queue.extend(frames.payloads)
        self._queued_bytes += frames.size
        self.congested = self._queued_bytes > self._max_bytes
        self._start()

    def close(self, close: Close) -> None:
        self._closing = self._closing or close
        self._start()

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _start(self) -> None:
        if self._task is None and not self._is_over:
            self._task = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        try:
            try:
                await self._send_queue()
            except TimeoutError:
                self._closing = SLOW_READER
            if (close := self._closing) is not None:
                self._give_up()
                # However long it takes: who reads again is told.
                await self._send({"type": "websocket.close", "code": close.code, "reason": close.reason})
        except OSError:
            self._give_up()  # the peer has gone, which the reader is told of
        finally:
            self._task = None

    async def _send_queue(self) -> None:
        while self._queue and self._closing is None:
            payload = self._queue[0]
            async with asyncio.timeout(self._stalled_s):
                await self._send({"type": "websocket.send", "text": payload.decode()})
            self._queue.popleft()
            self._queued_bytes -= len(payload)
            if self.congested and self._queued_bytes <= self._max_bytes:
                self.drained()

    def _give_up(self) -> None:
        """Nothing more is sent, and nothing waits for it."""
        self.is_leaving = self._is_over = True
        self._queue.clear()
        self._queued_bytes = 0
        self.drained()


def open_socket(
    scope: dict[str, Any], send: Send, *, principal: Principal, limits: Limits, on_drained: Drained
) -> Socket:
    """A direct one where the server is ours, else one over ASGI."""
    wire = scope.get("extensions", {}).get(EXTENSION)
    if wire is not None:
        return DirectSocket(wire, principal=principal, send_window=limits.send_window, on_drained=on_drained)
    return AsgiSocket(
        send,
        principal=principal,
        send_window=limits.send_window,
        on_drained=on_drained,
        max_bytes=limits.send_buffer_bytes,
        stalled_s=limits.stalled_writer_s,
    )
