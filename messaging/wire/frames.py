"""Frames: bytes to typed actions, replies and greetings to bytes. Pure; the wire is `roomlog.v1`."""

from typing import Any, Final, Literal, Never
from uuid import UUID

import msgspec

from accounts.schema import User
from foundation.errors import DomainError
from foundation.schema import MAX_INTEGER, Timestamp
from messaging.errors import UnknownAction
from messaging.wire.actions import NAMES, AnyAction, RequestId
from messaging.wire.checks import _encoder, check_limits, invalid
from messaging.wire.limits import ANNOUNCED, Limits
from messaging.wire.shapes import Error, Greeting

SUBPROTOCOL: Final = "roomlog.v1"
VERSION: Final = 1
FEATURES: Final = ("history", "read", "reply_to", "resume", "sync")


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


class Reply(msgspec.Struct, frozen=True):
    """The envelope of djangochannelsrestframework. `action` is null where the frame could not be read."""

    action: str | None
    request_id: RequestId | None
    response_status: int
    errors: list[Error]
    data: Any


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


_decoder = msgspec.json.Decoder(AnyAction)
_lenient = msgspec.json.Decoder()


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
