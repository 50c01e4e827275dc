"""The rate limits of a user's actions, and of what they read, which the socket and REST share within one process."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from functools import cache
from itertools import takewhile
from uuid import UUID

from django.conf import settings

from foundation.errors import RateLimited

MAX_BUCKETS = 100_000  # beyond it, the key that has not been used for longest starts with a full bucket again
MAX_DEBT_S = 60.0  # how far what other processes spent can put off the next token


class Limiter:
    """A token bucket for each key: it holds at most `burst` tokens and gains `per_s` tokens a second.

    `clock` returns seconds. May be called from any thread.

    Several processes can share what they spend: each calls `collect` from time to time, adds what it returns to a
    common account of each key, and passes what is on that account to `settle`. Between two rounds each process grants
    what its own bucket holds, so N processes grant up to N bursts. What was granted beyond one burst is then owed, and
    no process grants more until the common rate has repaid it.
    """

    def __init__(self, *, per_s: float, burst: float, clock: Callable[[], float]) -> None:
        self.per_s = per_s
        self._burst = burst
        self._clock = clock
        # By key: the tokens, when that was, and how many were spent since `collect`. Last used last.
        self._buckets: OrderedDict[Hashable, tuple[float, float, float]] = OrderedDict()
        self._collected_at = 0.0
        self._mutex = threading.Lock()

    def take(self, key: Hashable) -> float:
        """Takes one token and returns 0.0, or returns the seconds until there is one. A refusal takes nothing."""
        with self._mutex:
            now = self._clock()
            level, since, spent = self._buckets.pop(key, (self._burst, now, 0.0))
            level = min(self._burst, level + (now - since) * self.per_s)
            wait_s = 0.0 if level >= 1 else (1 - level) / self.per_s
            self._buckets[key] = (level, now, spent) if wait_s else (level - 1, now, spent + 1)
            if len(self._buckets) > MAX_BUCKETS:
                self._buckets.popitem(last=False)
            return wait_s

    def charge(self, key: Hashable, amount: float) -> float:
        """Takes `amount` tokens, whether there are as many or not, and returns the seconds until none are owed.

        For what is known only once it is done. Until the debt is repaid, `take` refuses.
        """
        with self._mutex:
            now = self._clock()
            level, since, spent = self._buckets.pop(key, (self._burst, now, 0.0))
            level = min(self._burst, level + (now - since) * self.per_s) - amount
            self._buckets[key] = (level, now, spent + amount)
            if len(self._buckets) > MAX_BUCKETS:
                self._buckets.popitem(last=False)
            return max(0.0, -level / self.per_s)

    def collect(self) -> dict[Hashable, float]:
        """Returns the tokens that were spent here since the last call, by key. A key that was only refused has 0.

        Takes time in proportion to the keys that were used since then.
        """
        with self._mutex:
            collected_at, self._collected_at = self._collected_at, self._clock()
            used = takewhile(lambda item: item[1][1] >= collected_at, reversed(self._buckets.items()))
            buckets = dict(used)
            self._buckets.update({key: (level, since, 0.0) for key, (level, since, _) in buckets.items()})
        return {key: spent for key, (_, _, spent) in buckets.items()}

    def settle(self, debts: Mapping[Hashable, float]) -> None:
        """Takes off what other processes spent. `debts` are the tokens of each key that all of them have spent and not
        regained yet, including what the last `collect` returned here.

        Gives no tokens back: an account that was lost counts as if nobody else had spent anything.
        """
        with self._mutex:
            now = self._clock()
            for key, debt in debts.items():
                if (bucket := self._buckets.get(key)) is not None:
                    level, since, spent = bucket
                    common = max(self._burst - debt - spent, -MAX_DEBT_S * self.per_s)
                    # As of `since`: the order of the keys and what `collect` returns depend on when a key was used.
                    self._buckets[key] = (min(level, common - (now - since) * self.per_s), since, spent)


class NoLimit(Limiter):
    """Refuses nothing."""

    def __init__(self) -> None:
        super().__init__(per_s=1, burst=1, clock=float)

    def take(self, key: Hashable) -> float:
        return 0.0

    def charge(self, key: Hashable, amount: float) -> float:
        return 0.0


@cache
def limiter_of_actions() -> Limiter:
    """Returns the limiter of this process, with the bounds of the settings."""
    return _limiter(per_s=settings.ROOMLOG_LIMITS.actions_per_s, burst=settings.ROOMLOG_LIMITS.actions_burst)


def throttle(user_id: UUID) -> None:
    """Counts one action of the user. Raises `RateLimited` with the seconds to wait, rounded up to milliseconds."""
    if wait_s := limiter_of_actions().take(user_id):
        raise RateLimited(retry_after=_in_ms(wait_s))


@cache
def limiter_of_reading() -> Limiter:
    """Returns the limiter of the bytes that users are sent in pages and replays, with the bounds of the settings."""
    return _limiter(per_s=settings.ROOMLOG_LIMITS.read_bytes_per_s, burst=settings.ROOMLOG_LIMITS.read_bytes_burst)


def _limiter(*, per_s: float, burst: float) -> Limiter:
    return Limiter(per_s=per_s, burst=burst, clock=time.monotonic) if settings.ROOMLOG_RATE_LIMITS else NoLimit()


def charge_reading(user_id: UUID, size: int) -> float:
    """Charges the user for `size` bytes that they are sent. Returns the seconds until they may read more, or 0.0."""
    return limiter_of_reading().charge(user_id, size)


def throttle_reading(user_id: UUID) -> None:
    """Raises `RateLimited` if the user has read more than they may, with the seconds to wait."""
    if wait_s := charge_reading(user_id, 0):
        raise RateLimited("You have read too much. Wait, then try again.", retry_after=_in_ms(wait_s))


def _in_ms(seconds: float) -> float:
    """Rounds up to milliseconds."""
    return round(seconds + 0.0005, 3)
