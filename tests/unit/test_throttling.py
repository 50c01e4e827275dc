"""The rate limit: a token bucket for each key."""

from collections.abc import Hashable

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


# -- charges ----------------------------------------------------------------------------------------------------------


def test_a_charge_may_owe_more_than_there_is(clock: Clock) -> None:
    limiter = Limiter(per_s=10, burst=20, clock=clock)

    assert [limiter.charge("alice", 15), limiter.charge("alice", 15)] == [0, 1]
    assert limiter.take("alice") == 1.1
    clock.now_s += 1.1
    assert limiter.take("alice") == 0


def test_no_limit_charges_nothing() -> None:
    assert NoLimit().charge("alice", 1e9) == 0


# -- what several processes spend -------------------------------------------------------------------------------------


class Ledger:
    """The accounts of all processes, as Redis keeps them: by key the time at which everything is regained.

    Each process comes once a second.
    """

    def __init__(self, clock: Clock, per_s: float) -> None:
        self._clock = clock
        self._per_s = per_s
        self._due_s: dict[Hashable, float] = {}

    def exchange(self, limiter: Limiter) -> None:
        spent = limiter.collect()
        for key, amount in spent.items():
            self._due_s[key] = max(self._due_s.get(key, 0.0), self._clock() - 1) + amount / self._per_s
        limiter.settle({key: max(0.0, self._due_s[key] - self._clock()) * self._per_s for key in spent})


def granted(limiter: Limiter, key: str, tries: int = 100) -> int:
    return [limiter.take(key) for _ in range(tries)].count(0)


def test_it_collects_what_was_spent_since_the_last_time(clock: Clock) -> None:
    limiter = Limiter(per_s=1, burst=5, clock=clock)
    for name in ("alice", "alice", "bob"):
        limiter.take(name)
    limiter.charge("bob", 0.5)
    clock.now_s += 1
    assert limiter.collect() == {"alice": 2, "bob": 1.5}

    clock.now_s += 1
    limiter.take("charlie")
    clock.now_s += 1
    assert limiter.collect() == {"charlie": 1}
    clock.now_s += 1
    assert limiter.collect() == {}


def test_it_collects_a_key_that_was_refused(clock: Clock) -> None:
    limiter = Limiter(per_s=1, burst=1, clock=clock)
    limiter.take("alice")
    limiter.collect()
    clock.now_s += 0.5
    limiter.take("alice")

    assert limiter.collect() == {"alice": 0}


def test_several_processes_grant_the_common_rate_in_the_long_run(clock: Clock) -> None:
    """One burst each until the next rounds, then nothing until that is repaid, then 20 a second in all."""
    limiters = [Limiter(per_s=20, burst=40, clock=clock) for _ in range(4)]
    ledger, grants = Ledger(clock, per_s=20), []
    for _ in range(60):
        clock.now_s += 1
        grants.append(sum(granted(limiter, "alice") for limiter in limiters))
        for limiter in limiters:
            ledger.exchange(limiter)

    assert grants[0] == 4 * 40
    assert grants[1] <= 3 * 20  # those who came before the last one have not heard of all
    assert grants[2:5] == [0] * 3
    assert 20 * 59 <= sum(grants) <= 20 * 59 + 4 * 40


def test_what_one_process_spends_leaves_another_user_alone(clock: Clock) -> None:
    limiters = [Limiter(per_s=20, burst=40, clock=clock) for _ in range(2)]
    ledger = Ledger(clock, per_s=20)
    for limiter in limiters:
        granted(limiter, "alice")
        ledger.exchange(limiter)

    assert [granted(limiter, "bob") for limiter in limiters] == [40, 40]


def test_a_single_process_loses_nothing_by_sharing(clock: Clock) -> None:
    alone, shared = (Limiter(per_s=20, burst=40, clock=clock) for _ in range(2))
    ledger = Ledger(clock, per_s=20)
    for round_ in range(20):
        assert granted(alone, "alice", tries=round_ * 3) == granted(shared, "alice", tries=round_ * 3)
        clock.now_s += 0.25
        ledger.exchange(shared)
        clock.now_s += 0.25


def test_what_was_spent_during_the_exchange_is_not_forgotten(clock: Clock) -> None:
    limiter = Limiter(per_s=1, burst=10, clock=clock)
    for _ in range(4):
        limiter.take("alice")
    limiter.collect()
    for _ in range(3):
        limiter.take("alice")
    limiter.settle({"alice": 4 + 2})  # others spent 2

    assert granted(limiter, "alice") == 1
    assert limiter.collect() == {"alice": 4}


def test_a_lost_ledger_gives_nothing_back(clock: Clock) -> None:
    limiter = Limiter(per_s=1, burst=3, clock=clock)
    granted(limiter, "alice")
    limiter.collect()
    limiter.settle({"alice": 0})

    assert limiter.take("alice") == 1


def test_what_others_spent_puts_off_a_token_for_a_minute_at_most(clock: Clock) -> None:
    limiter = Limiter(per_s=2, burst=3, clock=clock)
    limiter.take("alice")
    limiter.collect()
    limiter.settle({"alice": 1e12, "nobody": 1e12})

    assert limiter.take("alice") == throttling.MAX_DEBT_S + 0.5
    assert limiter.take("nobody") == 0
