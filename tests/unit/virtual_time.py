"""An event loop whose clock jumps to the next timer instead of waiting for it: an hour of sleep takes no time."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

STUCK_S = 5.0  # of real time, without a timer or a thread that could still wake the loop


class _Selector(selectors.DefaultSelector):
    """Looks at the sockets without waiting, then counts the wait as done."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:  # nothing is scheduled: only another thread can go on
            found = super().select(STUCK_S)
            if not found:
                raise RuntimeError("nothing would ever happen")
            return found
        found = super().select(0)
        if not found:
            self.now += max(timeout, 0)
        return found


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Begins at 0. Threads are waited for in real time, but only while no timer is set."""

    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` on a loop of its own; for generated tests, which run many in one."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(work)
