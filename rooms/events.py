"""Events: what an entry of a room's log looks like on the wire, and the notices that carry them. Pure."""

from typing import Annotated, Generic, Literal, TypeVar
from uuid import UUID

import msgspec
from msgspec import Meta

from accounts.schema import User
from foundation.schema import Timestamp
from rooms.schema import Member, ReadState, Room

Data = TypeVar("Data")

MemberKind = Literal["member.joined", "member.left", "member.removed", "member.updated"]
RoomKind = Literal["room.updated"]

# Entries after which their subject no longer follows the room.
EVICTIONS = frozenset({"member.left", "member.removed"})


class Event(msgspec.Struct, Generic[Data], frozen=True):
    """One entry of a room's log. `data` is state to set, never to add."""

    event: str
    room: UUID
    seq: int
    at: Timestamp
    actor: UUID
    data: Data


class MemberChange(msgspec.Struct, frozen=True):
    """The member as it now is, and who did it."""

    member: Member
    by: User


class MemberEvent(Event[MemberChange], frozen=True):
    event: Annotated[MemberKind, Meta(description="What happened to the member")]


class RoomEvent(Event[Room], frozen=True):
    event: RoomKind


class RoomAdded(msgspec.Struct, frozen=True, kw_only=True):
    """To a user's own sockets: somebody put them in a room."""

    event: Literal["room.added"] = "room.added"
    room: UUID
    data: Room


class ReadMoved(msgspec.Struct, frozen=True, kw_only=True):
    """To a user's own sockets: their read cursor moved."""

    event: Literal["read"] = "read"
    room: UUID
    data: ReadState


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """A hole that will never be filled."""

    event: Literal["gap"] = "gap"
    room: UUID
    from_: int = msgspec.field(name="from")
    to: int
    reason: Literal["retention"] = "retention"


class RoomNotice(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A committed entry, encoded. `evicts` is the user who follows no further than this.

    `message_id` is the message it shows; with `revises` frames that showed it before are out of date. The notice of
    a gap stands for all from `covers_from` to `seq`.
    """

    room_id: UUID
    seq: int
    payload: bytes
    evicts: UUID | None = None
    message_id: int | None = None
    revises: bool = False
    covers_from: int | None = None


class UserNotice(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Something for the sockets of one user; it has no seq and may be dropped."""

    user_id: UUID
    payload: bytes


class RoomHint(msgspec.Struct, frozen=True, gc=False, tag=True):
    """The log of a room reaches at least to `seq`: who has not heard of it yet should read it."""

    room_id: UUID
    seq: int


class SessionsChanged(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Sessions of a user may have ended: look whether their sockets may stay."""

    user_id: UUID


Notice = RoomNotice | UserNotice | RoomHint | SessionsChanged

_encoder = msgspec.json.Encoder()


def room_notice(
    event: Event[Data], *, evicts: UUID | None = None, message_id: int | None = None, revises: bool = False
) -> RoomNotice:
    return RoomNotice(
        room_id=event.room,
        seq=event.seq,
        payload=_encoder.encode(event),
        evicts=evicts,
        message_id=message_id,
        revises=revises,
    )


def gap_notice(room_id: UUID, first: int, last: int) -> RoomNotice:
    """The notice that the entries from `first` to `last` are gone."""
    payload = _encoder.encode(Gap(room=room_id, from_=first, to=last))
    return RoomNotice(room_id=room_id, seq=last, payload=payload, covers_from=first)


def user_notice(user_id: UUID, event: RoomAdded | ReadMoved) -> UserNotice:
    return UserNotice(user_id=user_id, payload=_encoder.encode(event))
