"""What users read: pages and replays of one user are charged to one allowance, over all their sockets and REST."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import cache
from uuid import UUID

from django.conf import settings

from foundation.allowance import Allowance
from foundation.errors import RateLimited

MAX_KEYS = 100_000  # beyond it, the key that has not been used for longest starts with a full allowance again


class Meter:
    """An allowance for each key. `clock` returns seconds. May be called from any thread."""

    def __init__(self, *, per_s: float, burst: float, clock: Callable[[], float]) -> None:
        self._per_s = per_s
        self._burst = burst
        self._clock = clock
        self._allowances: OrderedDict[Hashable, Allowance] = OrderedDict()
        self._mutex = threading.Lock()

    def charge(self, key: Hashable, amount: float) -> float:
        """Charges `amount`, also into debt. Returns the seconds until the debt is paid, or 0.0 if there is none."""
        with self._mutex:
            now = self._clock()
            allowance = self._allowances.pop(key, None)
            if allowance is None:
                allowance = Allowance(per_s=self._per_s, burst=self._burst, now=now)
            self._allowances[key] = allowance
            if len(self._allowances) > MAX_KEYS:
                self._allowances.popitem(last=False)
            return allowance.spend(amount, now=now)


@cache
def _meter() -> Meter | None:
    if not settings.ROOMLOG_RATE_LIMITS:
        return None
    limits = settings.ROOMLOG_LIMITS
    return Meter(per_s=limits.read_bytes_per_s, burst=limits.read_bytes_burst, clock=time.monotonic)


def charge_reading(user_id: UUID, size: int) -> float:
    """Charges the user for `size` bytes that they are sent. Returns the seconds until they may read more, or 0.0."""
    meter = _meter()
    return meter.charge(user_id, size) if meter else 0.0


def throttle_reading(user_id: UUID) -> None:
    """Raises `RateLimited` if the user has read more than they may, with the seconds to wait."""
    wait_s = charge_reading(user_id, 0)
    if wait_s:
        raise RateLimited("You have read too much. Wait, then try again.", retry_after=round(wait_s + 0.0005, 3))
