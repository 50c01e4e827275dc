"""asyncapi.yaml: the socket, made from the types that decode and encode it; every message with an example."""

import inspect
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Literal, NamedTuple, get_args

import msgspec
from msgspec import Meta

from api import examples
from api.documents import to_yaml
from api.schemas import ENTRIES, REF, schemas_sent, schemas_taken
from foundation import errors
from foundation.errors import DomainError
from messaging.errors import ClientIdReused, UnknownAction
from messaging.wire import actions, closes, frames, shapes
from messaging.wire.shapes import Followed, MessagePage, Sent
from rooms.errors import Archived, LastOwner, Muted, NotAMember
from rooms.events import ReadMoved, RoomAdded
from rooms.schema import ReadState

_CHANNEL: Final = {"$ref": "#/channels/socket"}
_SERVER: Final = {
    "host": "127.0.0.1:8000",
    "protocol": "ws",
    "description": "What `make run` starts.",
    "security": [{"$ref": "#/components/securitySchemes/bearer"}],
}

EVENTS: tuple[type[msgspec.Struct], ...] = (
    frames.Hello, *ENTRIES, RoomAdded, ReadMoved, frames.Draining, frames.SessionRevoked,
)  # fmt: skip


# What `data` of the reply to each action holds, and the statuses that are not 200.
REPLIES: dict[str, type[msgspec.Struct] | None] = {
    "join": Followed,
    "sync": shapes.SyncedRooms,
    "leave": None,
    "send": Sent,
    "history": MessagePage,
    "read": ReadState,
    "ping": shapes.Pong,
}
STATUSES = {"send": 201}

# What else each action may be answered with. None stands for a frame of which no action could be read.
ANY_REFUSAL: tuple[type[DomainError], ...] = (errors.Invalid, errors.RateLimited)
_OF_THE_DATABASE = (errors.Overloaded, errors.Unavailable, errors.Internal)
REFUSALS: dict[str | None, tuple[type[DomainError], ...]] = {
    None: (UnknownAction,),
    "join": (errors.NotFound, NotAMember, Archived, errors.LimitReached, *_OF_THE_DATABASE),
    "leave": (errors.NotFound, NotAMember, LastOwner, *_OF_THE_DATABASE),
    "sync": (errors.LimitReached, *_OF_THE_DATABASE),
    "send": (
        errors.NotFound, NotAMember, Muted, Archived, errors.TooLarge, ClientIdReused, errors.Unauthenticated,
        *_OF_THE_DATABASE,
    ),
    "history": (errors.NotFound, NotAMember, *_OF_THE_DATABASE),
    "read": (errors.NotFound, NotAMember, *_OF_THE_DATABASE),
    "ping": (errors.Internal,),
}  # fmt: skip

CLOSES = (
    (closes.DRAINING, "reconnect after the advised, jittered delay; resume"),
    (closes.SLOW_READER, "reconnect, resume"),
    (closes.OVERLOADED, "reconnect after a moment; resume"),
    (closes.FLOOD, "wait, reconnect"),
    (closes.UNAUTHENTICATED, "get a token first"),
    (closes.TOKEN_EXPIRED, "refresh, reconnect"),
    (closes.SESSION_REVOKED, "sign in again"),
    (closes.USER_INACTIVE, "stop"),
    (closes.TOO_MANY_CONNECTIONS, "close another first"),
    # Those of RFC 6455, section 7.4.1, and of its registry. The server pings, and closes with 1011, by uvicorn's hand.
    (closes.Close(1002, "protocol_error"), "broken framing: repair the client"),
    (closes.Close(1007, "invalid_data"), "a text that is not UTF-8: do not repeat it"),
    (closes.Close(1009, "message_too_big"), "beyond `max_frame_bytes` or `max_fragments`: do not repeat it"),
    (closes.Close(1011, "internal_error"), "pings of the server were not answered: reconnect, resume"),
    (closes.Close(1012, "service_restart"), "reconnect, resume"),
)

_RESUMED = {4001, 4002, 4003, 4004, 1011, 1012}  # after which a client reconnects by itself and resumes

_DESCRIPTION = """\
One WebSocket carries typed actions and live events, as JSON text frames. Offer the subprotocol `roomlog.v1`.

The access token comes in `Authorization: Bearer <token>`, or as a second offered subprotocol `bearer.<token>`, or as
`Authorization: Basic` with the user `bearer` and the token as password. A handshake that is refused is accepted and
at once closed with 4501, or 4502 where the token is only too old.

Every action is answered by a reply with its `request_id`. Remember the last `seq` of each room and drop what is not
beyond it. Put a `client_id` on every send and retry with the same one until it is answered. Ignore events and keys
that you do not know: more of them come without a new version.

Close codes (40xx: reconnect and resume; 45xx: not until something changes), also as `x-close-codes`:

"""

# -- the document ------------------------------------------------------------------------------------------------------


class _Structs(NamedTuple):
    """What travels beside the events, by the name of the action."""

    requests: dict[str, type[msgspec.Struct]]
    replies: dict[str, type[msgspec.Struct]]
    refusal: type[msgspec.Struct]


def render_asyncapi() -> str:
    """asyncapi.yaml as it should be. Raises `KeyError` for an action without a reply, an event without an example."""
    requests = {str(kind.__struct_config__.tag): kind for kind in get_args(actions.AnyAction)}
    structs = _Structs(requests, {name: _reply(name) for name in requests}, _refusal())
    messages = _messages(structs)
    return to_yaml(
        {
            "asyncapi": "3.0.0",
            "info": {
                "title": "Roomlog",
                "version": str(frames.VERSION),
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
            "operations": _operations(structs),
            "components": {
                "messages": messages,
                "schemas": _schemas(structs),
                "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            },
            "x-close-codes": [
                {"code": close.code, "name": close.reason, "resume": close.code in _RESUMED, "advice": advice}
                for close, advice in CLOSES
            ],
            "x-error-codes": [
                {"code": code, "status": error.status, "retryable": error.retryable, "summary": error.summary}
                for code, error in sorted(DomainError.registry.items())
            ],
        }
    )


def _schemas(structs: _Structs) -> dict[str, Any]:
    sent = schemas_sent(*EVENTS, *structs.replies.values(), structs.refusal)
    schemas = schemas_taken(*structs.requests.values()) | sent
    schemas["Synced"]["oneOf"] = [{"required": ["head", "unread", "resync"]}, {"required": ["error"]}]
    return schemas


def _messages(structs: _Structs) -> dict[str, Any]:
    messages: dict[str, Any] = {}
    for name, kind in structs.requests.items():
        messages[kind.__name__] = _message(kind, {name: {"action": name, "request_id": 7, **examples.REQUESTS[name]}})
    for name, kind in structs.replies.items():
        messages[kind.__name__] = _message(
            kind, {name: _envelope(name, STATUSES.get(name, 200), [], examples.ANSWERS[name])}
        )
    messages["Refusal"] = _message(structs.refusal, {error.code: _refused(error) for error in _socket_errors()})
    for message in messages.values():
        message["correlationId"] = {"location": "$message.payload#/request_id"}
    return messages | {
        kind.__name__: _message(kind, {name: examples.TOLD[name] for name in _names_of(kind)}) for kind in EVENTS
    }


def _operations(structs: _Structs) -> dict[str, Any]:
    each = {name: _act(name, kind, structs.replies[name]) for name, kind in structs.requests.items()}
    told = [kind.__name__ for kind in EVENTS]
    tell = _operation("send", "What the server sends by itself: `hello` first, then events.", told)
    refuse = _operation("send", "The answer to a frame of which no action could be read.", ["Refusal"])
    return {**each, "tell": tell, "refuse": refuse | {"x-errors": _codes(None)}}


def _description() -> str:
    closes = "\n".join(f"- {close.code} {close.reason}: {advice}" for close, advice in CLOSES)
    codes = "\n".join(
        f"- `{code}` ({error.status}): {error.summary}" for code, error in sorted(DomainError.registry.items())
    )
    return f"{_DESCRIPTION}{closes}\n\nError codes, also as `x-error-codes`:\n\n{codes}\n"


def _reply(action: str) -> type[msgspec.Struct]:
    """The envelope of djangochannelsrestframework, as it is when `action` succeeds."""
    return msgspec.defstruct(
        f"{action.title()}Reply",
        [
            ("action", Literal[action]),
            ("request_id", actions.RequestId | None),
            ("response_status", Literal[STATUSES.get(action, 200)]),
            ("errors", Annotated[list[shapes.Error], Meta(max_length=0)]),
            ("data", REPLIES[action]),
        ],
        namespace={"__doc__": f"The answer to `{action}` when it was done."},
    )


def _refusal() -> type[msgspec.Struct]:
    statuses = sorted({error.status for error in _socket_errors()})
    return msgspec.defstruct(
        "Refusal",
        [
            ("action", Literal[*sorted(actions.NAMES)] | None),
            ("request_id", actions.RequestId | None),
            ("response_status", Literal[*statuses]),
            ("errors", Annotated[list[shapes.Error], Meta(min_length=1, max_length=1)]),
            ("data", None),
        ],
        namespace={"__doc__": "The answer when it was not done. Null stands for what could not be read of the frame."},
    )


def _names_of(event: type[msgspec.Struct]) -> list[str]:
    """The names on the wire of a struct of events."""
    names: list[str] = schemas_sent(event)[event.__name__]["properties"]["event"]["enum"]
    return names


def _codes(action: str | None) -> list[str]:
    return sorted(error.code for error in (*ANY_REFUSAL, *REFUSALS[action]))


def _socket_errors() -> list[type[DomainError]]:
    """Each refusal that a socket may meet."""
    kinds = {*ANY_REFUSAL, *(error for several in REFUSALS.values() for error in several)}
    return sorted(kinds, key=lambda kind: (kind.status, kind.code))


def _refused(kind: type[DomainError]) -> dict[str, object]:
    """An example of `kind`: the first action that may meet it."""
    action = next((name for name, kinds in REFUSALS.items() if kind in (*kinds, *ANY_REFUSAL)), None)
    error = kind(retry_after=1 if kind.retryable else None)
    return _envelope(action, kind.status, [frames.error_of(error)], None)


def _envelope(action: str | None, status: int, errors: list[shapes.Error], data: object) -> dict[str, object]:
    return {"action": action, "request_id": 7, "response_status": status, "errors": errors, "data": data}


def _message(kind: type[msgspec.Struct], examples: Mapping[str, object]) -> dict[str, Any]:
    return {
        "summary": inspect.getdoc(kind),
        "payload": {"$ref": REF.format(name=kind.__name__)},
        "examples": [{"name": name, "payload": example} for name, example in examples.items()],
    }


def _act(name: str, kind: type[msgspec.Struct], reply: type[msgspec.Struct]) -> dict[str, Any]:
    answers = [_on_channel(reply.__name__), _on_channel("Refusal")]
    return _operation("receive", inspect.getdoc(kind) or "", [kind.__name__]) | {
        "reply": {"channel": _CHANNEL, "messages": answers},
        "x-errors": _codes(name),
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
