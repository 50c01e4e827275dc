"""Renders asyncapi.yaml, which describes the socket, from the structs of actions and events."""

import inspect
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from api.documents import to_yaml
from api.schemas import REF, schemas_received, schemas_sent
from foundation.errors import DomainError, Invalid, RateLimited
from messaging.errors import UnknownAction
from messaging.wire.actions import Action, RequestId
from messaging.wire.closes import CLOSES
from messaging.wire.events import VERSION
from messaging.wire.registry import ACTIONS, EVENTS
from messaging.wire.shapes import Error, error_of

_CHANNEL: Final = {"$ref": "#/channels/socket"}
_SERVER: Final = {
    "host": "127.0.0.1:8000",
    "protocol": "ws",
    "description": "The server that `make run` starts.",
    "security": [{"$ref": "#/components/securitySchemes/bearer"}],
}
# The refusals of every action, and those of a frame whose action could not be parsed.
_ANY_REFUSAL: Final[tuple[type[DomainError], ...]] = (Invalid, RateLimited)
_UNPARSED: Final[tuple[type[DomainError], ...]] = (UnknownAction,)

_DESCRIPTION = """\
One WebSocket carries typed actions and live events, as JSON text frames. Offer the subprotocol `roomlog.v1`.

The access token comes in `Authorization: Bearer <token>`, or as a second offered subprotocol `bearer.<token>`, or as
`Authorization: Basic` with the user `bearer` and the token as password. If the token is missing or invalid, the socket
is accepted and closed at once with 4501, or with 4502 if the token has merely expired.

Every action gets a reply with its `request_id`. Store the last `seq` of each room, and drop events at or below it. Put
a `client_id` on every send, and send again with the same one until it is answered. Ignore events and keys that you do
not know: new ones may be added without a new version.

Close codes (40xx: reconnect and resume; 45xx: do not reconnect until something has changed), also as `x-close-codes`:

"""

# -- the document ------------------------------------------------------------------------------------------------------


def render_asyncapi() -> str:
    """Returns the text of asyncapi.yaml."""
    messages = _messages()
    return to_yaml(
        {
            "asyncapi": "3.0.0",
            "info": {
                "title": "Roomlog",
                "version": str(VERSION),
                "description": _description(),
                "license": {"name": "MIT"},
            },
            "defaultContentType": "application/json",
            "servers": {"local": _SERVER},
            "channels": {
                "socket": {
                    "address": "/ws/",
                    "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
                }
            },
            "operations": _operations(),
            "components": {
                "messages": messages,
                "schemas": _schemas(),
                "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            },
            "x-close-codes": [
                {"code": close.code, "name": close.reason, "resume": close.resumes, "advice": close.advice}
                for close in CLOSES
            ],
            "x-error-codes": [
                {"code": code, "status": error.status, "retryable": error.retryable, "summary": error.summary}
                for code, error in sorted(DomainError.registry.items())
            ],
        }
    )


def _schemas() -> dict[str, Any]:
    sent = schemas_sent(*EVENTS.values(), *(_reply(action) for action in ACTIONS.values()), _refusal())
    schemas = schemas_received(*ACTIONS.values()) | sent
    schemas["Synced"]["oneOf"] = [{"required": ["head", "unread", "resync"]}, {"required": ["error"]}]
    return schemas


def _messages() -> dict[str, Any]:
    requests = {
        action.__name__: _message(action, {name: {"action": name, "request_id": 7, **action.contract.request}})
        for name, action in ACTIONS.items()
    }
    replies = {
        _reply(action).__name__: _message(
            _reply(action), {name: _envelope(name, action.contract.status, [], action.contract.reply)}
        )
        for name, action in ACTIONS.items()
    }
    refusal = {"Refusal": _message(_refusal(), {error.code: _refused(error) for error in _socket_errors()})}
    answered = requests | replies | refusal
    for message in answered.values():
        message["correlationId"] = {"location": "$message.payload#/request_id"}
    return answered | {
        event.__name__: _message(event, {name: event(**event.example)}) for name, event in EVENTS.items()
    }


def _operations() -> dict[str, Any]:
    each = {name: _act(action) for name, action in ACTIONS.items()}
    events = [event.__name__ for event in EVENTS.values()]
    emit = _operation(
        "send", "The events, which the server sends without being asked. The first one is `hello`.", events
    )
    refuse = _operation("send", "The reply to a frame whose action could not be parsed.", ["Refusal"])
    return {**each, "emit": emit, "refuse": refuse | {"x-errors": _codes(_UNPARSED)}}


def _description() -> str:
    closes = "\n".join(f"- {close.code} {close.reason}: {close.advice}" for close in CLOSES)
    codes = "\n".join(
        f"- `{code}` ({error.status}): {error.summary}" for code, error in sorted(DomainError.registry.items())
    )
    return f"{_DESCRIPTION}{closes}\n\nError codes, also as `x-error-codes`:\n\n{codes}\n"


@cache
def _reply(action: type[Action]) -> type[msgspec.Struct]:
    """Returns the struct of the reply to an `action` that succeeded, in the envelope of `frames.Reply`."""
    return msgspec.defstruct(
        f"{action.__name__}Reply",
        [
            ("action", Literal[action.name()]),
            ("request_id", RequestId | None),
            ("response_status", Literal[action.contract.status]),
            ("errors", Annotated[list[Error], Meta(max_length=0)]),
            ("data", action.contract.answer),
        ],
        namespace={"__doc__": f"The reply to `{action.name()}`, if it succeeded."},
    )


@cache
def _refusal() -> type[msgspec.Struct]:
    statuses = sorted({error.status for error in _socket_errors()})
    return msgspec.defstruct(
        "Refusal",
        [
            ("action", Literal[*sorted(ACTIONS)] | None),
            ("request_id", RequestId | None),
            ("response_status", Literal[*statuses]),
            ("errors", Annotated[list[Error], Meta(min_length=1, max_length=1)]),
            ("data", None),
        ],
        namespace={
            "__doc__": "The reply to a refused action. `action` and `request_id` are null if they could not be parsed.",
        },
    )


def _codes(refusals: Iterable[type[DomainError]]) -> list[str]:
    return sorted(error.code for error in (*_ANY_REFUSAL, *refusals))


def _socket_errors() -> list[type[DomainError]]:
    """Returns every error with which a frame can be refused."""
    kinds = {*_ANY_REFUSAL, *_UNPARSED, *(error for action in ACTIONS.values() for error in action.contract.refusals)}
    return sorted(kinds, key=lambda kind: (kind.status, kind.code))


def _refused(kind: type[DomainError]) -> dict[str, object]:
    """Returns an example of `kind`, as the refusal of the first action that can be refused with it."""
    names = (name for name, action in ACTIONS.items() if kind in action.contract.refusals)
    name = None if kind in (*_ANY_REFUSAL, *_UNPARSED) else next(names)
    error = kind(retry_after=1 if kind.retryable else None)
    return _envelope(name, kind.status, [error_of(error)], None)


def _envelope(action: str | None, status: int, errors: list[Error], data: object) -> dict[str, object]:
    return {"action": action, "request_id": 7, "response_status": status, "errors": errors, "data": data}


def _message(kind: type[msgspec.Struct], examples: Mapping[str, object]) -> dict[str, Any]:
    return {
        "summary": inspect.getdoc(kind),
        "payload": {"$ref": REF.format(name=kind.__name__)},
        "examples": [{"name": name, "payload": example} for name, example in examples.items()],
    }


def _act(action: type[Action]) -> dict[str, Any]:
    answers = [_on_channel(_reply(action).__name__), _on_channel("Refusal")]
    return _operation("receive", inspect.getdoc(action) or "", [action.__name__]) | {
        "reply": {"channel": _CHANNEL, "messages": answers},
        "x-errors": _codes(action.contract.refusals),
    }


def _operation(action: str, summary: str, messages: Iterable[str]) -> dict[str, Any]:
    return {
        "action": action,
        "summary": summary,
        "channel": _CHANNEL,
        "messages": [_on_channel(name) for name in messages],
    }


def _on_channel(name: str) -> dict[str, str]:
    return {"$ref": f"#/channels/socket/messages/{name}"}
