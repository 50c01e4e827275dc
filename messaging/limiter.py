"""Token buckets: so many actions a second in the long run, so many at once. Pure; the clock is passed in."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

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
