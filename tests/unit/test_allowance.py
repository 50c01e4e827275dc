"""An allowance: a token bucket that may go into debt."""

import pytest

from foundation.allowance import Allowance


def test_it_says_how_long_its_debt_takes() -> None:
    allowance = Allowance(per_s=10, burst=20, now=100.0)

    assert allowance.spend(20, now=100.0) == 0
    assert allowance.spend(5, now=100.0) == pytest.approx(0.5)
    assert allowance.spend(0, now=100.4) == pytest.approx(0.1)
    assert allowance.spend(0, now=100.6) == 0


def test_it_holds_no_more_than_its_burst() -> None:
    allowance = Allowance(per_s=10, burst=20, now=0.0)

    assert allowance.spend(20, now=1_000.0) == 0
    assert allowance.spend(1, now=1_000.0) == pytest.approx(0.1)
