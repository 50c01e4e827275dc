"""One socket, as the hub and the consumer see it, and the states that it passes through. Pure.

Knows neither the server nor a framework: `direct` and `plain_asgi` do the writing.
"""

import asyncio
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Final
from uuid import UUID

from accounts.schema import Principal
from messaging.fanout.feed import Follower, Outlet
from messaging.transport.frame_queue import FrameHandler, RawFrame
from messaging.transport.waiting import SendWindow
from messaging.wire.closes import Close
from messaging.wire.framing import Frames

OnDrained = Callable[["Socket"], None]


class SocketState(Enum):
    """The states of a socket.

    `handles_frames`: new frames of the client are handled.
    `is_congested`: the client reads too slowly, so that a buffer holds what was written; writers should wait.
    `is_over`: nothing more is written, except the close frame of a socket that is `CLOSING`.
    """

    # name, handles_frames, is_congested, is_over
    OPEN = ("open", True, False, False)
    CONGESTED = ("congested", True, True, False)
    LEAVING = ("leaving", False, False, False)
    LEAVING_CONGESTED = ("leaving and congested", False, True, False)
    CLOSING = ("closing", False, False, True)  # the close frame has not been sent yet
    CLOSED = ("closed", False, False, True)  # the close frame was sent, or the connection is lost

    def __init__(self, _name: str, handles_frames: bool, is_congested: bool, is_over: bool) -> None:
        self.handles_frames = handles_frames
        self.is_congested = is_congested
        self.is_over = is_over


# A transition maps the states that it changes to what they become. It leaves the other states as they are: to close a
# second time has no effect, nor has a buffer that fills or drains after the close.
Transition = Mapping[SocketState, SocketState]

FILL: Final[Transition] = {  # a buffer holds what the client has not read
    SocketState.OPEN: SocketState.CONGESTED,
    SocketState.LEAVING: SocketState.LEAVING_CONGESTED,
}
DRAIN: Final[Transition] = {  # the buffer has room again
    SocketState.CONGESTED: SocketState.OPEN,
    SocketState.LEAVING_CONGESTED: SocketState.LEAVING,
}
LEAVE: Final[Transition] = {  # new frames are to be ignored
    SocketState.OPEN: SocketState.LEAVING,
    SocketState.CONGESTED: SocketState.LEAVING_CONGESTED,
}
CLOSE: Final[Transition] = {  # a close frame is to be sent
    SocketState.OPEN: SocketState.CLOSING,
    SocketState.CONGESTED: SocketState.CLOSING,
    SocketState.LEAVING: SocketState.CLOSING,
    SocketState.LEAVING_CONGESTED: SocketState.CLOSING,
}
END: Final[Transition] = dict.fromkeys(SocketState, SocketState.CLOSED)  # the close frame was sent, or nobody is there


def next_state(state: SocketState, transition: Transition) -> SocketState:
    """Return the state that `transition` leads to from `state`."""
    return transition.get(state, state)


class Socket:
    """What both kinds of sockets share. Used on one loop only.

    `on_drained` is called with the socket when it is no longer congested. `send_window` is the number of sends that
    may be in flight. `followers` belongs to the hub.
    """

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
        "state",
        "user_id",
        "window",
    )

    def __init__(self, *, principal: Principal, send_window: int, on_drained: OnDrained) -> None:
        self.user_id = principal.user.id
        self.session_key = principal.session_key
        self.session_id = principal.session_id
        self.auth_version = principal.auth_version
        self.window = SendWindow(send_window)
        self.state = SocketState.OPEN
        # Both follow from the state. They are attributes because they are read for each frame and each delivery.
        self.congested = False  # nothing should be written now: the client reads too slowly, or the socket is over
        self.is_leaving = False  # frames that still come are ignored
        self.followers: dict[UUID, Follower] = {}
        self.outlet: Outlet | None = None
        self._on_drained = on_drained
        self._waiting: list[asyncio.Future[None]] = []
        self._handler: FrameHandler | None = None

    # -- frames of the client -----------------------------------------------------------------------------------------

    def listen(self, handler: FrameHandler) -> None:
        """Pass the client's frames to `handler` from now on."""
        self._handler = handler

    async def receive(self, data: RawFrame) -> None:
        """Handle a frame that came through ASGI. Waits while the socket is congested."""
        await self.writable()
        handler = self._handler
        if handler is not None and (action := handler.decode(data)) is not None:
            await handler.handle(action)

    async def writable(self) -> None:
        """Wait while the socket is congested, so that a client that reads no answers is not read from either.

        Returns at once when the socket is closing or closed.
        """
        while self.state.is_congested:
            future = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            await future

    # -- frames to the client -----------------------------------------------------------------------------------------

    def write(self, frames: Frames) -> None:
        """Send `frames`, after everything that was written before. Does nothing when closing or closed."""
        raise NotImplementedError

    def offer(self, frames: Frames) -> bool:
        """Write `frames` and return true, or return false if the socket is `congested`."""
        if self.congested:
            return False
        self.write(frames)
        return True

    def keep(self, wire: bytes) -> None:
        """Send the framed bytes that `outlet` did not take. Only for a socket with an outlet."""
        raise NotImplementedError

    def write_soon(self, payload: bytes) -> None:
        """Send one payload in this turn of the loop, in one write with what follows it if anything does."""
        self.write(Frames((payload,)))

    # -- the end ------------------------------------------------------------------------------------------------------

    async def leave(self, close: Close) -> None:
        """Ignore new frames, wait until the sends in flight are answered, then close."""
        self._transition(LEAVE)
        await self.window.settled()
        self.close(close)

    def close(self, close: Close) -> None:
        """Send a close frame. Only the first call has an effect; nothing is written after it."""
        if not self.state.is_over:
            self._transition(CLOSE)
            self._send_close(close)

    def stop(self) -> None:
        """Release what the socket holds: the consumer has ended."""
        self._transition(END)

    def _send_close(self, close: Close) -> None:
        raise NotImplementedError

    # -- what the server says -----------------------------------------------------------------------------------------

    def filled(self) -> None:
        """A buffer holds what the client has not read. More should wait until `drained` is called."""
        self._transition(FILL)

    def drained(self) -> None:
        """The buffer has room again: the hub and the readers that wait go on."""
        if self.state.is_congested:
            self._transition(DRAIN)
            self._on_drained(self)

    def ended(self) -> None:
        """The last frame was sent, or the connection is lost."""
        self._transition(END)

    def _transition(self, transition: Transition) -> None:
        state = next_state(self.state, transition)
        if state is self.state:
            return
        self.state = state
        self.congested = state.is_congested or state.is_over
        self.is_leaving = not state.handles_frames
        if self._waiting and not state.is_congested:
            self._wake_waiting()
        if state.is_over and self.outlet is not None:
            self.outlet = None
            for follower in self.followers.values():
                follower.feed.forget_roster()

    def _wake_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)
