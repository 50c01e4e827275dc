"""Frames: bytes to typed actions, replies and greetings to bytes. Pure; the wire is `roomlog.v1`."""

import re
from typing import Any, Final, Literal, NamedTuple, Never
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from accounts.schema import User
from foundation.errors import DomainError, Invalid, TooLarge
from foundation.schema import MAX_INTEGER, Timestamp
from foundation.text import check_json, check_text
from messaging.actions import NAMES, AnyAction, History, RequestId, Send
from messaging.errors import UnknownAction
from messaging.limits import ANNOUNCED, Limits
from rooms.schema import Head

SUBPROTOCOL: Final = "roomlog.v1"
VERSION: Final = 1
FEATURES: Final = ("history", "read", "reply_to", "resume", "sync")


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


class Error(msgspec.Struct, frozen=True):
    code: str
    detail: str
    field: str | None
    retry_after: float | None


class Advice(msgspec.Struct, frozen=True):
    reconnect_in_ms: int


class Draining(msgspec.Struct, frozen=True, kw_only=True):
    """This process is about to stop: the socket will be closed with 4001."""

    event: Literal["draining"] = "draining"
    data: Advice


class Revoked(msgspec.Struct, frozen=True):
    session: UUID


class SessionRevoked(msgspec.Struct, frozen=True, kw_only=True):
    """The session of this socket has ended: it is closed with 4503."""

    event: Literal["session.revoked"] = "session.revoked"
    data: Revoked


class Synced(msgspec.Struct, frozen=True):
    """The answer to `sync` for one room: where it stands, or the error alone."""

    head: Head | UnsetType = UNSET
    unread: int | UnsetType = UNSET
    resync: bool | UnsetType = UNSET
    error: Error | UnsetType = UNSET


class SyncedRooms(msgspec.Struct, frozen=True):
    """The answer to `sync`."""

    rooms: dict[UUID, Synced]


class Reply(msgspec.Struct, frozen=True):
    """The envelope of djangochannelsrestframework. `action` is null where the frame could not be read."""

    action: str | None
    request_id: RequestId | None
    response_status: int
    errors: list[Error]
    data: Any


class Pong(msgspec.Struct, frozen=True):
    """The answer to `ping`."""

    at: Timestamp


class Greeting(msgspec.Struct, frozen=True):
    """What a client learns first: who it is, which history this is, and what it must keep to."""

    protocol: int
    features: tuple[str, ...]
    epoch: UUID
    user: User
    session: UUID
    expires_at: Timestamp
    heartbeat_s: float
    limits: dict[str, float]


class Hello(msgspec.Struct, frozen=True, kw_only=True):
    """The first frame."""

    event: Literal["hello"] = "hello"
    data: Greeting


class Rejected(Exception):
    """A frame that is answered with `error`; `action` and `request_id` are what could be read of it."""

    def __init__(self, error: DomainError, *, action: str | None, request_id: RequestId | None) -> None:
        super().__init__(error.detail)
        self.error = error
        self.action = action
        self.request_id = request_id


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(AnyAction)
_lenient = msgspec.json.Decoder()
# msgspec writes `[...]` for an item of custom data, "`key` in" for a key.
_AT = re.compile(r" - at (?:`key` in )?`\$\.?(?P<path>[^`]*?)(?:\[\.\.\.\])*`$")
_FIELD = re.compile(r"(?:unknown|required) field `(?P<field>[^`]*)`")


def decode(frame: str | bytes, limits: Limits) -> AnyAction:
    """The action that a text frame stands for. Raises `Rejected`, whatever the frame holds."""
    try:
        action: AnyAction = _decoder.decode(frame)
        check_limits(action, limits)
    except DomainError as error:
        _reject(error, frame)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        _reject(invalid(error), frame)
    return action


def check_limits(action: AnyAction, limits: Limits) -> None:
    """The bounds that are settings, for both doors. Raises `Invalid` or `TooLarge`."""
    if isinstance(action, Send):
        if len(action.text) > limits.max_text_chars:
            raise TooLarge(f"The text is longer than {limits.max_text_chars} characters.", field="text")
        check_text(action.text, field="text")
        if action.client_id is not None and len(action.client_id) > limits.max_client_id_chars:
            raise Invalid(f"Longer than {limits.max_client_id_chars} characters.", field="client_id")
        if action.data:
            check_data(action.data, limits)
    elif isinstance(action, History) and action.limit > limits.history_page_max:
        raise Invalid(f"At most {limits.history_page_max}.", field="limit")


def check_data(data: dict[str, Any], limits: Limits) -> None:
    """The bounds of custom JSON. Raises `Invalid` or `TooLarge`."""
    check_json(data, field="data")
    if len(_encoder.encode(data)) > limits.max_data_bytes:
        raise TooLarge(f"`data` is larger than {limits.max_data_bytes} bytes.", field="data")


def invalid(error: Exception) -> Invalid:
    """What msgspec found, with the path of the field at fault."""
    if isinstance(error, RecursionError):
        return Invalid("The JSON is nested too deep.")
    text = str(error)
    at, field = _AT.search(text), _FIELD.search(text)
    path = ".".join(part for part in (at and at["path"], field and field["field"]) if part)
    return Invalid(_AT.sub("", text) + ".", field=path or None)


def encode_reply(
    action: str | None, request_id: RequestId | None, status: int, data: object, errors: list[Error]
) -> bytes:
    return _encoder.encode(Reply(action, request_id, status, errors, data))


def encode_refusal(action: str | None, request_id: RequestId | None, error: DomainError) -> bytes:
    return encode_reply(action, request_id, error.status, None, [error_of(error)])


def error_of(error: DomainError) -> Error:
    return Error(code=error.code, detail=error.detail, field=error.field, retry_after=error.retry_after)


def encode_hello(*, epoch: UUID, user: User, session: UUID, expires_at: Timestamp, limits: Limits) -> bytes:
    greeting = Greeting(
        protocol=VERSION,
        features=FEATURES,
        epoch=epoch,
        user=user,
        session=session,
        expires_at=expires_at,
        heartbeat_s=limits.heartbeat_s,
        limits={name: getattr(limits, name) for name in ANNOUNCED},
    )
    return _encoder.encode(Hello(data=greeting))


def encode_draining(reconnect_in_ms: int) -> bytes:
    return _encoder.encode(Draining(data=Advice(reconnect_in_ms)))


def encode_session_revoked(session: UUID) -> bytes:
    return _encoder.encode(SessionRevoked(data=Revoked(session)))


def peek(frame: str | bytes) -> tuple[str | None, RequestId | None]:
    """What can be read of a frame that is refused anyhow: its action, where there is such a one, and request id."""
    content = _read_object(frame)
    action = content.get("action")
    known = action if isinstance(action, str) and action in NAMES else None
    return known, _request_id(content.get("request_id"))


def _reject(error: DomainError, frame: str | bytes) -> Never:
    name = _read_object(frame).get("action")
    if isinstance(name, str) and name not in NAMES:
        error = UnknownAction(f"There is no such action; there are: {', '.join(sorted(NAMES))}.", field="action")
    action, request_id = peek(frame)
    raise Rejected(error, action=action, request_id=request_id) from None


def _read_object(frame: str | bytes) -> dict[str, object]:
    try:
        content = _lenient.decode(frame)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return {}
    return content if isinstance(content, dict) else {}


def _request_id(value: object) -> RequestId | None:
    if isinstance(value, str):
        return value if len(value) <= 128 else None
    if isinstance(value, int) and not isinstance(value, bool):
        return value if abs(value) <= MAX_INTEGER else None
    return None
