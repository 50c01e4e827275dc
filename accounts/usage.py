"""Counts what users use of their quotas. The counts are rows, so all processes share them and a restart keeps them.

There is one row for each user and quota, from its first use on, so there is nothing to clear. A change counts inside
its own transaction: the row stays locked until the commit, and of two changes that want the last place, the second sees
the first. What is refused is rolled back, and so is not counted.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.conf import settings

from accounts.quotas import Quota
from foundation.sql import Query, as_uuid

# One statement for any number of rows, which locks them in sorted order. `at` is 0 for a quota that does not drain. A
# clock that goes back drains nothing. A total below 0, which misses rows that were written by hand, counts as 0.
_FILL = Query(
    """
    INSERT INTO accounts_usage AS u (user_id, quota, level, at)
    SELECT user_id, quota, cost, at FROM input WHERE user_id IS NOT NULL ORDER BY user_id, quota
    ON CONFLICT (user_id, quota) DO UPDATE SET
        level = excluded.level + CASE
            WHEN u.level <= 0 OR u.level <= excluded.at - u.at THEN 0
            WHEN excluded.at <= u.at THEN u.level
            ELSE u.level - (excluded.at - u.at)
        END,
        at = CASE WHEN excluded.at > u.at THEN excluded.at ELSE u.at END
    RETURNING user_id, quota, level
    """,
    user_id="uuid", quota="text", cost="bigint", at="bigint",
)  # fmt: skip


class Use(NamedTuple):
    """`amount` uses of a quota of `user_id`; less than 0 to take them back. `field` names them in the request."""

    quota: Quota
    user_id: UUID
    amount: int = 1
    field: str | None = None


def use_quotas(uses: Sequence[Use], *, by_id: UUID, at: datetime) -> None:
    """Counts `uses`, of which no two are of the same quota of the same user, by a request of the user `by_id`.

    One query for any number of uses, or none if none is counted: a quota that drains is not while it has no bound or
    `ROOMLOG_RATE_LIMITS` is off. Call it inside the transaction of the change, after all locks on heads and
    memberships, and once: two calls could lock the rows of two users in another order than those of another change.

    Raises `LimitReached` or `RateLimited`, with the field, for the first use that exceeds its quota; the transaction
    must be rolled back then.
    """
    limits = {use.quota: _limit_of(use.quota) for use in uses}
    counted = [use for use in uses if limits[use.quota] or not use.quota.drains]
    now_us = round(at.timestamp() * 1000) * 1000
    rows = [
        (use.user_id, use.quota.name, use.quota.cost(use.amount, limit=limits[use.quota]), now_us * use.quota.drains)
        for use in counted
    ]
    levels = {(as_uuid(user_id), name): level for user_id, name, level in _FILL.run(rows)}
    for use in counted:
        refusal = use.quota.refusal(
            levels[use.user_id, use.quota.name],
            amount=use.amount,
            limit=limits[use.quota],
            is_own=use.user_id == by_id,
            field=use.field,
        )
        if refusal is not None:
            raise refusal


def _limit_of(quota: Quota) -> int:
    """Returns the limit that is set; 0 for no bound."""
    if quota.drains and not settings.ROOMLOG_RATE_LIMITS:
        return 0
    limit: int = getattr(settings.ROOMLOG_LIMITS, quota.setting)
    return limit
