"""One socket as the hub and the consumer see it, and the states that it goes through. Pure.

Does not know how frames are written: that is in `direct` and `plain_asgi`.
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

    `handles_frames`: frames of the client are handled; in other states they are ignored.
    `is_congested`: a buffer holds frames because the client does not read them fast enough.
    `is_over`: nothing more is written, except the close frame in the state `CLOSING`.
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


# A transition maps each state that it changes to the next one. In all other states it has no effect: a second close is
# ignored, and so is a buffer that fills or drains after a close.
Transition = Mapping[SocketState, SocketState]

FILL: Final[Transition] = {  # the buffer holds too much
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
END: Final[Transition] = {  # the close frame was sent, or the connection is lost
    SocketState.OPEN: SocketState.CLOSED,
    SocketState.CONGESTED: SocketState.CLOSED,
    SocketState.LEAVING: SocketState.CLOSED,
    SocketState.LEAVING_CONGESTED: SocketState.CLOSED,
    SocketState.CLOSING: SocketState.CLOSED,
}


def next_state(state: SocketState, transition: Transition) -> SocketState:
    """Returns the state that `transition` leads to from `state`."""
    return transition.get(state, state)


class Socket:
    """The base class of both kinds of sockets. Used on one loop only.

    `send_window` is the number of sends that may be in flight. `on_drained` is called with the socket when it stops
    being congested, unless it stops because it is closed. `followers` belongs to the hub.
    """

    __slots__ = (
        "_handler",
        "_on_drained",
        "_waiting",
        "auth_version",
        "congested",
        "followers",
        "ignores_frames",
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
        # These follow from the state. They are attributes because they are read for each frame and each delivery.
        self.congested = False  # whether the hub should not write now: `is_congested` or `is_over`
        self.ignores_frames = False  # whether frames of the client are ignored
        self.followers: dict[UUID, Follower] = {}
        self.outlet: Outlet | None = None
        self._on_drained = on_drained
        self._waiting: list[asyncio.Future[None]] = []
        self._handler: FrameHandler | None = None

    # -- frames of the client -----------------------------------------------------------------------------------------

    def listen(self, handler: FrameHandler) -> None:
        """Passes the client's frames to `handler` from now on."""
        self._handler = handler

    async def receive(self, data: RawFrame) -> None:
        """Handles a frame that arrived through ASGI, after waiting while the socket is congested."""
        await self.writable()
        handler = self._handler
        if handler is not None and (action := handler.decode(data)) is not None:
            await handler.handle(action)

    async def writable(self) -> None:
        """Waits while the socket is congested, so that a client that does not read answers cannot ask for more.

        Does not wait when the socket is closing or closed.
        """
        while self.state.is_congested:
            future = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            await future

    # -- frames to the client -----------------------------------------------------------------------------------------

    def write(self, frames: Frames) -> None:
        """Sends `frames` after what was written before. Does nothing when the socket is closing or closed."""
        raise NotImplementedError

    def offer(self, frames: Frames) -> bool:
        """Writes `frames` and returns true, or returns false if the socket is congested, closing or closed."""
        if self.congested:
            return False
        self.write(frames)
        return True

    def keep(self, wire: bytes) -> None:
        """Sends framed bytes that `outlet` did not take. Only a socket with an outlet implements this."""
        raise NotImplementedError

    def write_soon(self, payload: bytes) -> None:
        """Sends `payload` together with the next frames, at the latest at the end of this turn of the loop."""
        self.write(Frames((payload,)))

    # -- the end ------------------------------------------------------------------------------------------------------

    async def leave(self, close: Close) -> None:
        """Ignores further frames of the client, waits until its sends in flight are answered, then closes."""
        self._transition(LEAVE)
        await self.window.settled()
        self.close(close)

    def close(self, close: Close) -> None:
        """Sends a close frame after what was written before. Has no effect when closing or closed."""
        if not self.state.is_over:
            self._transition(CLOSE)
            self._send_close(close)

    def stop(self) -> None:
        """Ends the socket without a close frame, and cancels its tasks. The consumer calls this when it ends."""
        self._transition(END)

    def _send_close(self, close: Close) -> None:
        raise NotImplementedError

    # -- reports of the server ----------------------------------------------------------------------------------------

    def filled(self) -> None:
        """The buffer holds too much: the socket is congested until `drained` is called."""
        self._transition(FILL)

    def drained(self) -> None:
        """The buffer has room again."""
        if self.state.is_congested:
            self._transition(DRAIN)
            self._on_drained(self)

    def ended(self) -> None:
        """The close frame was sent, or the connection is lost."""
        self._transition(END)

    def _transition(self, transition: Transition) -> None:
        state = next_state(self.state, transition)
        if state is self.state:
            return
        self.state = state
        self.congested = state.is_congested or state.is_over
        self.ignores_frames = not state.handles_frames
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
