"""The two kinds of quotas, and what each of them refuses. Pure: `accounts/usage.py` counts, in the database.

A quota is a bucket. Each use adds to its level, and a use that would make it overflow is refused. The bucket of a
`DailyQuota` drains within a day; that of a `TotalQuota` does not drain, but what has ended is taken out of it.
"""

from typing import ClassVar, Final

import msgspec

from foundation.errors import DomainError, LimitReached, RateLimited

DAY_US: Final = 24 * 3600 * 1_000_000


class Quota(msgspec.Struct, frozen=True):
    """A quota of each user. `limit`, in its methods, is the value of its setting; 0 means that there is no bound."""

    name: str  # in the database: at most 32 characters, never to be changed
    setting: str  # the field of `Limits` that bounds it
    refused: str  # the detail of the refusal, in which `{limit}` stands for the limit

    drains: ClassVar[bool]

    def cost(self, amount: int, *, limit: int) -> int:
        """Returns what `amount` uses add to the level."""
        raise NotImplementedError

    def refusal(
        self, level: int, *, amount: int, limit: int, is_own: bool = True, field: str | None = None
    ) -> DomainError | None:
        """Returns the error for `amount` uses after which the level would be `level`, or None if it may be.

        `is_own` is false if the quota is that of another user than the one whose request uses it. `field` is the part
        of the request that does.
        """
        raise NotImplementedError


class TotalQuota(Quota, frozen=True):
    """How many of something a user may have at the same time. The level is their number."""

    refused_for_another: str = ""

    drains = False

    def cost(self, amount: int, *, limit: int) -> int:
        return amount

    def refusal(
        self, level: int, *, amount: int, limit: int, is_own: bool = True, field: str | None = None
    ) -> DomainError | None:
        if not limit or level <= limit or amount <= 0:
            return None
        detail = self.refused if is_own else self.refused_for_another
        return LimitReached(detail.format(limit=f"{limit:,}"), field=field)


class DailyQuota(Quota, frozen=True):
    """How many of something a user may do in a day. The level is the time, in µs, until the bucket has drained.

    After a day without any, a user may do all of them at once; as the day passes, one becomes free after the other.
    """

    drains = True

    def cost(self, amount: int, *, limit: int) -> int:
        return amount * DAY_US // limit if limit else 0

    def refusal(
        self, level: int, *, amount: int, limit: int, is_own: bool = True, field: str | None = None
    ) -> DomainError | None:
        if not limit or level <= DAY_US:
            return None
        detail = self.refused.format(limit=f"{limit:,}")
        if amount > limit:  # however long the user waits
            return LimitReached(detail, field=field)
        wait_ms = -((DAY_US - level) // 1000)  # rounded up
        return RateLimited(detail, field=field, retry_after=wait_ms / 1000)
