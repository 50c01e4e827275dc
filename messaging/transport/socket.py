"""One socket as the hub sees it, whatever it is written to through."""

import asyncio
from collections.abc import Callable
from uuid import UUID

from accounts.schema import Principal
from messaging.fanout.feed import Follower, Outlet
from messaging.transport.frame_queue import FrameHandler, RawFrame
from messaging.transport.waiting import SendWindow
from messaging.wire.closes import Close
from messaging.wire.framing import Frames

OnDrained = Callable[["Socket"], None]


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

    def __init__(self, *, principal: Principal, send_window: int, on_drained: OnDrained) -> None:
        self.user_id = principal.user.id
        self.session_key = principal.session_key
        self.session_id = principal.session_id
        self.auth_version = principal.auth_version
        self.window = SendWindow(send_window)
        self.is_leaving = False  # nothing more is read from it
        self.followers: dict[UUID, Follower] = {}
        self.congested = False
        self.outlet: Outlet | None = None
        self._on_drained = on_drained
        self._waiting: list[asyncio.Future[None]] = []
        self._handler: FrameHandler | None = None

    def listen(self, handler: FrameHandler) -> None:
        """Have `handler` do what the client's frames ask for, from now on."""
        self._handler = handler

    async def receive(self, data: RawFrame) -> None:
        """A frame that came by way of ASGI, and not straight from the server."""
        await self.writable()
        handler = self._handler
        if handler is not None and (action := handler.decode(data)) is not None:
            await handler.handle(action)

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
