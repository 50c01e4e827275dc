"""An event loop whose clock jumps to the next timer instead of waiting for it: an hour of sleep takes no time."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

STUCK_S = 5.0  # real time after which a loop without timers counts as stuck


class _Selector(selectors.DefaultSelector):
    """Polls without waiting. If nothing is ready, moves the clock forward by the timeout."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:  # no timer is set: only another thread can wake the loop
            found = super().select(STUCK_S)
            if not found:
                raise RuntimeError("the loop is stuck: it has no timer, and no thread woke it")
            return found
        found = super().select(0)
        if not found:
            self.now += max(timeout, 0)
        return found


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Its clock starts at 0. It waits for threads in real time, but only if no timer is set."""

    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs `work` on a new loop. For generated tests, which run many loops in one test."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(work)
