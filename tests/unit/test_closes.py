"""The close codes."""

import pytest

from messaging.wire import closes


def test_the_close_codes_are_those_of_the_protocol() -> None:
    declared = (value for value in vars(closes).values() if isinstance(value, closes.Close))
    codes = {(close.code, close.reason) for close in declared if close.code >= 4000}

    assert codes == {
        (4001, "draining"),
        (4002, "slow_reader"),
        (4003, "overloaded"),
        (4004, "flood"),
        (4501, "unauthenticated"),
        (4502, "token_expired"),
        (4503, "session_revoked"),
        (4504, "user_inactive"),
        (4505, "too_many_connections"),
    }


@pytest.mark.parametrize(
    ("seconds", "reason"),
    [
        (2.4, "overloaded; retry_after=2.4"),
        (2.41, "overloaded; retry_after=2.5"),
        (0, "overloaded; retry_after=0.0"),
        (120.0, "overloaded; retry_after=120.0"),
    ],
)
def test_a_handshake_that_is_turned_away_gets_a_time_to_come_back(seconds: float, reason: str) -> None:
    close = closes.overloaded(seconds)

    assert (close.code, close.reason) == (closes.OVERLOADED.code, reason)
    assert close.advice == closes.OVERLOADED.advice


def test_the_time_to_come_back_fits_into_a_close_frame() -> None:
    assert len(closes.later(closes.DRAINING, 1e6 / 3).reason.encode()) <= 123
