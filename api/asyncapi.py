"""asyncapi.yaml: the socket, made from the types that decode and encode it."""

from typing import Any, get_args

import msgspec

from accounts.errors import DomainError
from accounts.schema import Timestamp
from api.documents import to_yaml
from messaging import actions, protocol
from messaging.events import MessageEvent
from messaging.schema import Followed, MessagePage, Sent
from rooms.events import Gap, MemberEvent, ReadMoved, RoomAdded, RoomEvent
from rooms.schema import ReadState

_REF = "#/components/schemas/{name}"

EVENTS: tuple[type[msgspec.Struct], ...] = (
    protocol.Hello, MessageEvent, MemberEvent, RoomEvent, Gap, RoomAdded, ReadMoved, protocol.Draining,
    protocol.SessionRevoked,
)  # fmt: skip


class Pong(msgspec.Struct, frozen=True):
    at: Timestamp


# What `data` of the reply to each action holds.
REPLIES: dict[str, type[msgspec.Struct] | None] = {
    "join": Followed,
    "sync": protocol.SyncedRooms,
    "leave": None,
    "send": Sent,
    "history": MessagePage,
    "read": ReadState,
    "ping": Pong,
}

CLOSES = (
    (protocol.DRAINING, "reconnect after the advised, jittered delay; resume"),
    (protocol.SLOW_READER, "reconnect, resume"),
    (protocol.OVERLOADED, "reconnect after a moment; resume"),
    (protocol.FLOOD, "wait, reconnect"),
    (protocol.UNAUTHENTICATED, "get a token first"),
    (protocol.TOKEN_EXPIRED, "refresh, reconnect"),
    (protocol.SESSION_REVOKED, "sign in again"),
    (protocol.USER_INACTIVE, "stop"),
)

_DESCRIPTION = """\
One WebSocket carries typed actions and live events, as JSON text frames. Offer the subprotocol `roomlog.v1`.

The access token comes in `Authorization: Bearer <token>`, or as a second offered subprotocol `bearer.<token>`, or as
`Authorization: Basic` with the user `bearer` and the token as password. A handshake that is refused is accepted and
at once closed with 4501, or 4502 where the token is only too old.

Every action is answered by a reply with its `request_id`. Remember the last `seq` of each room and drop what is not
beyond it. Put a `client_id` on every send and retry with the same one until it is answered.

Close codes (40xx: reconnect and resume; 45xx: not until something changes):

"""


def render_asyncapi() -> str:
    kinds = get_args(actions.AnyAction)
    replies = [kind for kind in REPLIES.values() if kind is not None]
    _, schemas = msgspec.json.schema_components((*kinds, *EVENTS, protocol.Reply, *replies), ref_template=_REF)
    messages = {kind.__name__: _message(kind.__name__, kind.__doc__) for kind in kinds}
    outgoing = {kind.__name__: _message(kind.__name__, kind.__doc__) for kind in EVENTS}
    outgoing["Reply"] = _message("Reply", protocol.Reply.__doc__)
    closes = "\n".join(f"- {close.code} {close.reason}: {advice}" for close, advice in CLOSES)
    codes = "\n".join(
        f"- `{code}` ({error.status}): {error.summary}" for code, error in sorted(DomainError.registry.items())
    )
    return to_yaml(
        {
            "asyncapi": "3.0.0",
            "info": {
                "title": "Roomlog",
                "version": str(protocol.VERSION),
                "description": f"{_DESCRIPTION}{closes}\n\nError codes:\n\n{codes}\n",
                "license": {"name": "MIT"},
            },
            "defaultContentType": "application/json",
            "channels": {
                "socket": {
                    "address": "/ws/",
                    "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in (*messages, *outgoing)},
                }
            },
            "operations": {
                "act": _operation("receive", messages),
                "tell": _operation("send", outgoing),
            },
            "components": {"messages": messages | outgoing, "schemas": schemas},
        }
    )


def _message(schema: str, doc: str | None) -> dict[str, Any]:
    return {"summary": (doc or "").strip(), "payload": {"$ref": _REF.format(name=schema)}}


def _operation(action: str, messages: dict[str, Any]) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": "#/channels/socket"},
        "messages": [{"$ref": f"#/channels/socket/messages/{name}"} for name in messages],
    }
