"""What users read is charged to one allowance for each."""

import pytest

from messaging import metering
from messaging.metering import Meter


def test_it_works() -> None:
    meter = Meter(per_s=10, burst=100, clock=lambda: 0.0)

    assert [meter.charge("alice", 60), meter.charge("alice", 60), meter.charge("bob", 60)] == [0, 2, 0]


def test_a_debt_is_paid_with_time() -> None:
    now = 0.0
    meter = Meter(per_s=10, burst=100, clock=lambda: now)
    meter.charge("alice", 150)
    now = 4.0

    assert meter.charge("alice", 0) == pytest.approx(1)


def test_it_remembers_a_bounded_number_of_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metering, "MAX_KEYS", 2)
    meter = Meter(per_s=1, burst=1, clock=lambda: 0.0)
    for key in ("alice", "bob", "alice", "charlie"):
        meter.charge(key, 2)

    assert meter.charge("alice", 0) > 0
    assert meter.charge("bob", 0) == 0
