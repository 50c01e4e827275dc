"""The close codes of the socket, each declared once, with advice for clients that is published. Pure."""

import math
from typing import Final, NamedTuple


class Close(NamedTuple):
    """A close code. After 40xx, clients reconnect and resume; after 45xx, they wait until something has changed."""

    code: int
    reason: str
    advice: str
    resumes: bool  # whether clients should reconnect and resume without asking the user


DRAINING: Final = Close(4001, "draining", "reconnect after the delay given in `draining`; resume", resumes=True)
SLOW_READER: Final = Close(4002, "slow_reader", "reconnect, resume", resumes=True)
OVERLOADED: Final = Close(
    4003, "overloaded", "reconnect after the seconds that the reason gives as `retry_after`; resume", resumes=True
)
FLOOD: Final = Close(4004, "flood", "wait, reconnect", resumes=True)
UNAUTHENTICATED: Final = Close(4501, "unauthenticated", "get a token first", resumes=False)
TOKEN_EXPIRED: Final = Close(4502, "token_expired", "refresh, reconnect", resumes=False)
SESSION_REVOKED: Final = Close(4503, "session_revoked", "sign in again", resumes=False)
USER_INACTIVE: Final = Close(4504, "user_inactive", "stop", resumes=False)
TOO_MANY_CONNECTIONS: Final = Close(4505, "too_many_connections", "close another socket first", resumes=False)

# From RFC 6455, section 7.4.1, and its registry. uvicorn sends the pings, and closes with 1011 if none is answered.
PROTOCOL_ERROR: Final = Close(1002, "protocol_error", "the frame was malformed: fix the client", resumes=False)
INVALID_DATA: Final = Close(1007, "invalid_data", "the text was not UTF-8: do not send it again", resumes=False)
MESSAGE_TOO_BIG: Final = Close(
    1009,
    "message_too_big",
    "the message exceeded `max_frame_bytes` or `max_fragments`: do not send it again",
    resumes=False,
)
INTERNAL_ERROR: Final = Close(
    1011, "internal_error", "the server's pings were not answered: reconnect, resume", resumes=True
)
SERVICE_RESTART: Final = Close(1012, "service_restart", "reconnect, resume", resumes=True)


def overloaded(retry_after_s: float) -> Close:
    """Returns `OVERLOADED` with the time to come back in its reason, in seconds, rounded up to tenths."""
    return later(OVERLOADED, retry_after_s)


def later(close: Close, retry_after_s: float) -> Close:
    """Returns `close` with the time to come back in its reason: `overloaded; retry_after=1.5`, rounded up to tenths."""
    return close._replace(reason=f"{close.reason}; retry_after={math.ceil(retry_after_s * 10) / 10}")


CLOSES: Final = tuple(close for close in vars().values() if isinstance(close, Close))
