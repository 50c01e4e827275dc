"""The rate limit of a user's actions, which the socket and REST share within one process."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import cache
from uuid import UUID

from django.conf import settings

from foundation.errors import RateLimited

MAX_BUCKETS = 100_000  # beyond it, the key that has not been used for longest starts with a full bucket again


class Limiter:
    """A token bucket for each key: it holds at most `burst` tokens and gains `per_s` tokens a second.

    `clock` returns seconds. May be called from any thread.
    """

    def __init__(self, *, per_s: float, burst: float, clock: Callable[[], float]) -> None:
        self._per_s = per_s
        self._burst = burst
        self._clock = clock
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()
        self._mutex = threading.Lock()

    def take(self, key: Hashable) -> float:
        """Takes one token and returns 0.0, or returns the seconds until there is one. A refusal takes nothing."""
        with self._mutex:
            now = self._clock()
            level, since = self._buckets.pop(key, (self._burst, now))
            level = min(self._burst, level + (now - since) * self._per_s)
            wait_s = 0.0 if level >= 1 else (1 - level) / self._per_s
            self._buckets[key] = (level if wait_s else level - 1, now)
            if len(self._buckets) > MAX_BUCKETS:
                self._buckets.popitem(last=False)
            return wait_s


class NoLimit(Limiter):
    """Refuses nothing."""

    def __init__(self) -> None:
        super().__init__(per_s=1, burst=1, clock=float)

    def take(self, key: Hashable) -> float:
        return 0.0


@cache
def _limiter() -> Limiter:
    if not settings.ROOMLOG_RATE_LIMITS:
        return NoLimit()
    limits = settings.ROOMLOG_LIMITS
    return Limiter(per_s=limits.actions_per_s, burst=limits.actions_burst, clock=time.monotonic)


def throttle(user_id: UUID) -> None:
    """Counts one action of the user. Raises `RateLimited` with the seconds to wait, rounded up to milliseconds."""
    wait_s = _limiter().take(user_id)
    if wait_s:
        raise RateLimited(retry_after=round(wait_s + 0.0005, 3))
