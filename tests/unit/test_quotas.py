"""The two kinds of quotas: what a use adds to the level, and which levels are refused."""

import pytest

from accounts.quotas import DAY_US, DailyQuota, TotalQuota
from foundation.errors import LimitReached, RateLimited

ROOMS = TotalQuota("rooms", "max_rooms", "At most {limit} rooms.", "No more rooms for this user.")
CALLS = DailyQuota("calls", "calls_per_day", "{limit} calls a day.")


def test_it_works() -> None:
    assert ROOMS.cost(2, limit=3) == 2
    assert ROOMS.refusal(3, amount=1, limit=3) is None
    refusal = ROOMS.refusal(1_001, amount=1, limit=1_000, field="user")
    assert isinstance(refusal, LimitReached)
    assert (refusal.detail, refusal.field, refusal.retry_after) == ("At most 1,000 rooms.", "user", None)


def test_a_total_has_another_detail_for_another_user() -> None:
    refusal = ROOMS.refusal(4, amount=1, limit=3, is_own=False)

    assert refusal is not None
    assert refusal.detail == "No more rooms for this user."


def test_a_total_refuses_nothing_that_is_taken_back() -> None:
    """Even if the level is above a limit that was lowered."""
    assert ROOMS.refusal(9, amount=-1, limit=3) is None


@pytest.mark.parametrize("limit", [1, 3, 7, 1_000, 100_003])
def test_a_daily_quota_is_used_up_by_as_many_uses_as_it_has(limit: int) -> None:
    """However the cost is rounded, and whether they come one by one or together."""
    assert CALLS.refusal(limit * CALLS.cost(1, limit=limit), amount=1, limit=limit) is None
    assert CALLS.refusal(CALLS.cost(limit, limit=limit), amount=limit, limit=limit) is None
    assert CALLS.refusal((limit + 1) * CALLS.cost(1, limit=limit), amount=1, limit=limit) is not None


@pytest.mark.parametrize("limit", [1, 3, 7, 1_000, 100_003])
def test_a_daily_quota_says_when_the_use_will_be_possible(limit: int) -> None:
    level = (limit + 1) * CALLS.cost(1, limit=limit)

    refusal = CALLS.refusal(level, amount=1, limit=limit, field="user")

    assert isinstance(refusal, RateLimited)
    assert (refusal.detail, refusal.field) == (f"{limit:,} calls a day.", "user")
    assert refusal.retry_after is not None
    assert refusal.retry_after == pytest.approx(24 * 3600 / limit, abs=1)
    drained = level - round(refusal.retry_after * 1_000_000)
    assert CALLS.refusal(drained, amount=1, limit=limit) is None
    assert CALLS.refusal(drained + 2_000, amount=1, limit=limit) is not None


def test_a_daily_quota_refuses_for_good_what_is_more_than_it_can_hold() -> None:
    refusal = CALLS.refusal(CALLS.cost(4, limit=3), amount=4, limit=3)

    assert type(refusal) is LimitReached


@pytest.mark.parametrize("quota", [ROOMS, CALLS])
def test_a_limit_of_zero_is_no_bound(quota: TotalQuota | DailyQuota) -> None:
    quota.cost(1, limit=0)

    assert quota.refusal(10 * DAY_US, amount=1, limit=0) is None
