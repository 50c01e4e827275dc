"""The close codes."""

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


def test_an_overload_says_when_to_come_back() -> None:
    close = closes.overloaded(2.46)
    assert close == closes.OVERLOADED._replace(reason="overloaded; retry_after=2.5")
