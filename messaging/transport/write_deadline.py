"""A deadline for clients that stop reading. Pure: the loop and the size of the buffer are passed in."""

import asyncio
from collections.abc import Callable


class WriteDeadline:
    """Calls `on_stalled` when a connection's write buffer has not shrunk for `stalled_s` seconds.

    `unsent_bytes` returns the size of the buffer. A client that takes some of it gets as much time again.
    """

    __slots__ = ("_loop", "_on_stalled", "_stalled_s", "_timer", "_unsent_bytes")

    def __init__(
        self,
        *,
        unsent_bytes: Callable[[], int],
        on_stalled: Callable[[], None],
        stalled_s: float,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._unsent_bytes = unsent_bytes
        self._on_stalled = on_stalled
        self._stalled_s = stalled_s
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Starts the deadline, or starts it again, from the present size of the buffer."""
        self.stop()
        self._timer = self._loop.call_later(self._stalled_s, self._check, self._unsent_bytes())

    def stop(self) -> None:
        """Stops the deadline. Has no effect if it was not started."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self, unsent_before: int) -> None:
        if self._unsent_bytes() < unsent_before:
            self.start()
        else:
            self._timer = None
            self._on_stalled()
