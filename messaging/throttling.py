"""The one limiter of actions that both doors of this process ask."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import cache
from uuid import UUID

from django.conf import settings

from foundation.errors import RateLimited

MAX_BUCKETS = 100_000


class Limiter:
    """One bucket for each key, filled at `per_s`, holding at most `burst`. May be asked from any thread."""

    def __init__(self, *, per_s: float, burst: float, clock: Callable[[], float]) -> None:
        self._per_s = per_s
        self._burst = burst
        self._clock = clock
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()
        self._mutex = threading.Lock()

    def take(self, key: Hashable) -> float:
        """Take one token: 0 when there was one, else the seconds until there is."""
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
    """Lets everything through."""

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
    """Count one action of the user. Raises `RateLimited` with the seconds to wait."""
    wait_s = _limiter().take(user_id)
    if wait_s:
        raise RateLimited(retry_after=round(wait_s + 0.0005, 3))
