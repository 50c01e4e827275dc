"""The rate limit: a token bucket for each key."""

import pytest

from messaging import throttling
from messaging.throttling import Limiter, NoLimit


class Clock:
    now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_it_works(clock: Clock) -> None:
    limiter = Limiter(per_s=2, burst=3, clock=clock)

    assert [limiter.take("alice") for _ in range(4)] == [0, 0, 0, 0.5]


def test_there_is_a_token_after_the_wait_that_was_returned(clock: Clock) -> None:
    limiter = Limiter(per_s=2, burst=1, clock=clock)
    limiter.take("alice")

    clock.now_s += limiter.take("alice")

    assert limiter.take("alice") == 0


def test_it_refuses_before_the_wait_is_over(clock: Clock) -> None:
    limiter = Limiter(per_s=2, burst=1, clock=clock)
    limiter.take("alice")

    clock.now_s += 0.25

    assert limiter.take("alice") == 0.25


def test_a_refusal_takes_no_token(clock: Clock) -> None:
    limiter = Limiter(per_s=1, burst=1, clock=clock)
    limiter.take("alice")

    assert [limiter.take("alice") for _ in range(3)] == [1, 1, 1]


def test_it_holds_no_more_than_a_burst(clock: Clock) -> None:
    limiter = Limiter(per_s=10, burst=2, clock=clock)
    limiter.take("alice")

    clock.now_s += 3600

    assert [limiter.take("alice") for _ in range(3)] == [0, 0, 0.1]


def test_it_grants_the_rate_in_the_long_run(clock: Clock) -> None:
    limiter = Limiter(per_s=4, burst=8, clock=clock)
    granted = 0
    for _ in range(100 * 16):
        granted += limiter.take("alice") == 0
        clock.now_s += 1 / 16

    assert granted == pytest.approx(100 * 4 + 8, abs=1)


def test_each_key_has_a_bucket_of_its_own(clock: Clock) -> None:
    limiter = Limiter(per_s=1, burst=1, clock=clock)
    limiter.take("alice")

    assert limiter.take("alice") > 0
    assert limiter.take("bob") == 0


def test_it_forgets_the_least_recently_used_key_beyond_its_bound(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttling, "MAX_BUCKETS", 2)
    limiter = Limiter(per_s=1, burst=1, clock=clock)
    for name in ("alice", "bob", "alice", "charlie"):
        limiter.take(name)

    assert limiter.take("alice") > 0
    assert limiter.take("bob") == 0


def test_no_limit_refuses_nothing() -> None:
    limiter = NoLimit()

    assert not any(limiter.take("alice") for _ in range(1_000))
