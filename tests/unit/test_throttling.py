"""Token buckets."""

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
    bucket = Limiter(per_s=2, burst=3, clock=clock)

    assert [bucket.take("alice") for _ in range(4)] == [0, 0, 0, 0.5]


def test_it_gives_a_token_after_the_wait_it_told(clock: Clock) -> None:
    bucket = Limiter(per_s=2, burst=1, clock=clock)
    bucket.take("alice")

    clock.now_s += bucket.take("alice")

    assert bucket.take("alice") == 0


def test_it_refuses_before_the_wait_is_over(clock: Clock) -> None:
    bucket = Limiter(per_s=2, burst=1, clock=clock)
    bucket.take("alice")

    clock.now_s += 0.25

    assert bucket.take("alice") == 0.25


def test_it_makes_a_refusal_cost_nothing(clock: Clock) -> None:
    bucket = Limiter(per_s=1, burst=1, clock=clock)
    bucket.take("alice")

    assert [bucket.take("alice") for _ in range(3)] == [1, 1, 1]


def test_it_holds_no_more_than_a_burst(clock: Clock) -> None:
    bucket = Limiter(per_s=10, burst=2, clock=clock)
    bucket.take("alice")

    clock.now_s += 3600

    assert [bucket.take("alice") for _ in range(3)] == [0, 0, 0.1]


def test_it_keeps_to_the_rate_in_the_long_run(clock: Clock) -> None:
    bucket = Limiter(per_s=4, burst=8, clock=clock)
    granted = 0
    for _ in range(100 * 16):
        granted += bucket.take("alice") == 0
        clock.now_s += 1 / 16

    assert granted == pytest.approx(100 * 4 + 8, abs=1)


def test_it_keeps_keys_apart(clock: Clock) -> None:
    bucket = Limiter(per_s=1, burst=1, clock=clock)
    bucket.take("alice")

    assert bucket.take("alice") > 0
    assert bucket.take("bob") == 0


def test_it_forgets_whoever_asked_longest_ago_past_its_bound(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttling, "MAX_BUCKETS", 2)
    bucket = Limiter(per_s=1, burst=1, clock=clock)
    for name in ("alice", "bob", "alice", "charlie"):
        bucket.take(name)

    assert bucket.take("alice") > 0
    assert bucket.take("bob") == 0


def test_it_lets_everything_through_without_a_limit() -> None:
    bucket = NoLimit()

    assert not any(bucket.take("alice") for _ in range(1_000))
