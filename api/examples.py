"""An example of every message of the socket: structs, so that they are of the form of what is sent."""

from typing import Any
from uuid import UUID

import msgspec

from accounts.schema import User
from foundation import errors
from messaging.wire import frames, shapes
from messaging.wire.events import MessageEvent
from messaging.wire.limits import ANNOUNCED, Limits
from messaging.wire.shapes import Followed, Message, MessagePage, Sent, sender_of
from rooms.events import Gap, MemberChange, MemberEvent, ReadMoved, RoomAdded, RoomEvent
from rooms.schema import Head, Member, ReadState, Room

_AT, _UNTIL = "2026-01-02T03:04:05.678Z", "2026-01-02T04:04:05.678Z"
_ROOM_ID = UUID("01990000-0000-7000-8000-000000000001")
_OTHER_ROOM_ID = UUID("01990000-0000-7000-8000-000000000002")
_SESSION_ID, _EPOCH = UUID("d2d50f84-5dfc-4ec7-9a5c-8f1c5b3a9c11"), UUID("9b2f6a3e-51b7-4e9b-8a49-0f8f6c1d7e20")
_ALICE, _BOB = (
    User(UUID(f"01980000-0000-7000-8000-00000000000{digit}"), name.lower(), name, "", bot=False, data={})
    for digit, name in (("a", "Alice"), ("b", "Bob"))
)
_ROOM = Room(_ROOM_ID, "private", "Tea", "", "", {}, 2, _AT, None, 0)
_MEMBER = Member(_BOB, "member", 2, 41, None, "all")
_MUTED = msgspec.structs.replace(_MEMBER, role="moderator", muted_until=_UNTIL)
_MESSAGE = Message(
    room=_ROOM_ID, id=42, seq=57, sender=sender_of(_ALICE), text="hi", client_id="c-1", reply_to=None, data={},
    created_at=_AT,
)  # fmt: skip
_HEAD, _READ, _LIMITS = Head(57, 42, 1), ReadState(42, 0), Limits()
_NOT_FOUND = frames.error_of(errors.NotFound("There is no such room."))
_HELLO = shapes.Greeting(
    protocol=frames.VERSION,
    features=frames.FEATURES,
    epoch=_EPOCH,
    user=_ALICE,
    session=_SESSION_ID,
    expires_at=_UNTIL,
    heartbeat_s=_LIMITS.heartbeat_s,
    limits={name: getattr(_LIMITS, name) for name in ANNOUNCED},
)

REQUESTS: dict[str, dict[str, object]] = {
    "join": {"room": _ROOM_ID, "after": 57, "epoch": _EPOCH},
    "leave": {"room": _ROOM_ID, "forget": True},
    "sync": {"rooms": {str(_ROOM_ID): 57, str(_OTHER_ROOM_ID): None}, "epoch": _EPOCH},
    "send": {"room": _ROOM_ID, "text": "hi", "client_id": "c-1"},
    "history": {"room": _ROOM_ID, "before": 42, "limit": 20},
    "read": {"room": _ROOM_ID, "id": 42},
    "ping": {},
}
ANSWERS: dict[str, object] = {
    "join": Followed(room=_ROOM, membership=_MEMBER, head=_HEAD, unread=1, resync=False),
    "leave": None,
    "sync": shapes.SyncedRooms(
        {
            _ROOM_ID: shapes.Synced(head=_HEAD, unread=1, resync=False),
            _OTHER_ROOM_ID: shapes.Synced(error=_NOT_FOUND),
        }
    ),
    "send": Sent(_ROOM_ID, 42, 57, _AT),
    "history": MessagePage([_MESSAGE], has_before=True, has_after=False),
    "read": _READ,
    "ping": shapes.Pong(_AT),
}


def _member(event: Any, seq: int, member: Member, by: User) -> MemberEvent:
    return MemberEvent(event, _ROOM_ID, seq, _AT, by.id, MemberChange(member, by))


TOLD: dict[str, msgspec.Struct] = {
    "hello": frames.Hello(data=_HELLO),
    "message.created": MessageEvent("message.created", _ROOM_ID, 57, _AT, _ALICE.id, _MESSAGE),
    "member.joined": _member("member.joined", 2, _MEMBER, _ALICE),
    "member.left": _member("member.left", 58, _MEMBER, _BOB),
    "member.removed": _member("member.removed", 58, _MEMBER, _ALICE),
    "member.updated": _member("member.updated", 58, _MUTED, _ALICE),
    "room.updated": RoomEvent("room.updated", _ROOM_ID, 58, _AT, _ALICE.id, _ROOM),
    "gap": Gap(room=_ROOM_ID, from_=4, to=7),
    "room.added": RoomAdded(room=_ROOM_ID, data=_ROOM),
    "read": ReadMoved(room=_ROOM_ID, data=_READ),
    "draining": frames.Draining(data=frames.Advice(350)),
    "session.revoked": frames.SessionRevoked(data=frames.Revoked(_SESSION_ID)),
}
