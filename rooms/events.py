"""The events of rooms, each declared once: its data, how its entry is rendered, its example. Pure.

An event is something that the server sends by itself. Those with a `seq` are entries of a room's log.
"""

from typing import Any, ClassVar, Generic, Literal, TypeVar
from uuid import UUID

import msgspec

from accounts.schema import User
from foundation.schema import Timestamp
from rooms import samples
from rooms.schema import Member, ReadState, Room

Data = TypeVar("Data")

Subject = Literal["message", "member", "room"]


class Event(msgspec.Struct, frozen=True, tag_field="event"):
    """Something that the server sends by itself. The tag is its name on the wire."""

    example: ClassVar[dict[str, Any]]  # the fields of the example in the documents

    @classmethod
    def name(cls) -> str:
        return str(cls.__struct_config__.tag)


class LogEvent(Event, Generic[Data], frozen=True):
    """An entry of a room's log. `data` is state to set, never to add: its subject as it is when the frame is made."""

    room: UUID
    seq: int
    at: Timestamp
    actor: UUID
    data: Data

    subject: ClassVar[Subject]  # what `data` shows
    evicts: ClassVar[bool] = False  # whether the user it is about follows the room no further
    revises: ClassVar[bool] = False  # whether earlier frames of its message are out of date


class MemberChange(msgspec.Struct, frozen=True):
    """The member as they are now, and who changed them."""

    member: Member
    by: User


class MemberEvent(LogEvent[MemberChange], frozen=True):
    """A change of a member."""

    subject = "member"


def _example(seq: int, member: Member, by: User) -> dict[str, Any]:
    return {
        "room": samples.ROOM_ID, "seq": seq, "at": samples.AT, "actor": by.id, "data": MemberChange(member, by)
    }  # fmt: skip


class MemberJoined(MemberEvent, frozen=True, tag="member.joined"):
    """A user became a member."""

    example = _example(2, samples.MEMBER, samples.ALICE)


class MemberLeft(MemberEvent, frozen=True, tag="member.left"):
    """A member left."""

    evicts = True
    example = _example(58, samples.MEMBER, samples.BOB)


class MemberRemoved(MemberEvent, frozen=True, tag="member.removed"):
    """A member was removed by somebody else."""

    evicts = True
    example = _example(58, samples.MEMBER, samples.ALICE)


class MemberUpdated(MemberEvent, frozen=True, tag="member.updated"):
    """A member's role changed, or they were muted or unmuted."""

    example = _example(58, samples.MUTED_MEMBER, samples.ALICE)


class RoomUpdated(LogEvent[Room], frozen=True, tag="room.updated"):
    """The settings of a room changed, or it was archived or unarchived."""

    subject = "room"
    example = {
        "room": samples.ROOM_ID, "seq": 58, "at": samples.AT, "actor": samples.ALICE.id, "data": samples.ROOM
    }  # fmt: skip


class Gap(Event, frozen=True, kw_only=True, tag="gap"):
    """Entries of a room's log that no longer exist: a hole that will never be filled."""

    room: UUID
    from_: int = msgspec.field(name="from")
    to: int
    reason: Literal["retention"] = "retention"

    example = {"room": samples.ROOM_ID, "from_": 4, "to": 7}


class RoomAdded(Event, frozen=True, kw_only=True, tag="room.added"):
    """Sent to a user's own sockets: somebody added them to a room."""

    room: UUID
    data: Room

    example = {"room": samples.ROOM_ID, "data": samples.ROOM}


class ReadMoved(Event, frozen=True, kw_only=True, tag="read"):
    """Sent to a user's own sockets: their read cursor moved."""

    room: UUID
    data: ReadState

    example = {"room": samples.ROOM_ID, "data": samples.READ}
