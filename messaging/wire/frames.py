"""Decodes frames to typed actions, and encodes replies and events. Pure."""

from typing import Any, Final, Never, Union
from uuid import UUID

import msgspec

from accounts.schema import User
from foundation.errors import DomainError
from foundation.schema import MAX_INTEGER, Timestamp
from messaging.errors import UnknownAction
from messaging.wire.actions import Action, RequestId
from messaging.wire.checks import check_fields, invalid
from messaging.wire.events import VERSION, Advice, Draining, Hello, Revoked, SessionRevoked
from messaging.wire.limits import ANNOUNCED, Limits
from messaging.wire.registry import ACTIONS, FEATURES
from messaging.wire.shapes import Error, Greeting, error_of

SUBPROTOCOL: Final = "roomlog.v1"


class Reply(msgspec.Struct, frozen=True):
    """The envelope of djangochannelsrestframework. `action` and `request_id` are null if they could not be parsed."""

    action: str | None
    request_id: RequestId | None
    response_status: int
    errors: list[Error]
    data: Any


class Rejected(Exception):
    """Raised for a frame that is refused with `error`. `action` and `request_id` are None if they were not parsed."""

    def __init__(self, error: DomainError, *, action: str | None, request_id: RequestId | None) -> None:
        super().__init__(error.detail)
        self.error = error
        self.action = action
        self.request_id = request_id


_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Action] = msgspec.json.Decoder(Union[tuple(ACTIONS.values())])  # noqa: UP007 - built at run time
_lenient = msgspec.json.Decoder()


def decode(frame: str | bytes, limits: Limits) -> Action:
    """Returns the action in a text frame, with its fields checked. Raises `Rejected` for any other content."""
    try:
        action = _decoder.decode(frame)
        check_fields(action, limits)
    except DomainError as error:
        _reject(error, frame)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        _reject(invalid(error), frame)
    return action


def encode_reply(
    action: str | None, request_id: RequestId | None, status: int, data: object, errors: list[Error]
) -> bytes:
    return _encoder.encode(Reply(action, request_id, status, errors, data))


def encode_answer(action: Action, data: object) -> bytes:
    """Returns the reply to an action that succeeded, with the status of its contract."""
    return encode_reply(action.name(), action.request_id, action.contract.status, data, [])


def encode_refusal(action: str | None, request_id: RequestId | None, error: DomainError) -> bytes:
    return encode_reply(action, request_id, error.status, None, [error_of(error)])


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
    """Returns the action and the request id of a frame that is refused; each is None if it cannot be parsed."""
    content = _read_object(frame)
    action = content.get("action")
    known = action if isinstance(action, str) and action in ACTIONS else None
    return known, _request_id(content.get("request_id"))


def _reject(error: DomainError, frame: str | bytes) -> Never:
    name = _read_object(frame).get("action")
    if isinstance(name, str) and name not in ACTIONS:
        error = UnknownAction(
            f"There is no such action. The actions are: {', '.join(sorted(ACTIONS))}.", field="action"
        )
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
