"""The close codes of the socket. Pure."""

from typing import Final, NamedTuple


class Close(NamedTuple):
    """A close code: 40xx means reconnect and resume, 45xx not until something changes."""

    code: int
    reason: str


DRAINING: Final = Close(4001, "draining")

SLOW_READER: Final = Close(4002, "slow_reader")

OVERLOADED: Final = Close(4003, "overloaded")

FLOOD: Final = Close(4004, "flood")

UNAUTHENTICATED: Final = Close(4501, "unauthenticated")

TOKEN_EXPIRED: Final = Close(4502, "token_expired")

SESSION_REVOKED: Final = Close(4503, "session_revoked")

USER_INACTIVE: Final = Close(4504, "user_inactive")

TOO_MANY_CONNECTIONS: Final = Close(4505, "too_many_connections")
