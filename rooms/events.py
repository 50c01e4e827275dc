"""The events of rooms, each declared once: its data, what its entry shows and changes, and its example. Pure.

`rooms/notices.py` renders them.

Docstrings and descriptions of fields are published in asyncapi.yaml and address the developers of clients.
"""

from functools import cache
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar
from uuid import UUID

import msgspec
from msgspec import Meta

from accounts.schema import User
from foundation.schema import Timestamp
from rooms import samples
from rooms.schema import Member, ReadState, Room

Data = TypeVar("Data")

Subject = Literal["message", "member", "room"]


class Event(msgspec.Struct, frozen=True, tag_field="event"):
    """A frame that the server sends without being asked. The tag is its name in JSON."""

    example: ClassVar[dict[str, Any]]  # the fields of its example in asyncapi.yaml

    @classmethod
    @cache
    def name(cls) -> str:
        return str(cls.__struct_config__.tag)


class LogEvent(Event, Generic[Data], frozen=True):
    """An entry of a room's log. `data` is the state of its subject when the frame is made, never a difference."""

    room: UUID
    seq: Annotated[int, Meta(description="Position in the room's log: 1, 2, 3 …")]
    at: Annotated[Timestamp, Meta(description="When the change was made: RFC 3339, UTC, milliseconds")]
    actor: Annotated[UUID, Meta(description="Id of the user who made the change")]
    data: Data

    subject: ClassVar[Subject]  # what `data` shows
    evicts: ClassVar[bool] = False  # whether it is the last event of the room for the member that it is about
    revises: ClassVar[bool] = False  # whether earlier frames that show its message are out of date


class MemberChange(msgspec.Struct, frozen=True):
    """The current state of the member, and the user who made the change."""

    member: Member
    by: User


class MemberEvent(LogEvent[MemberChange], frozen=True):
    """A change of a membership."""

    subject = "member"


def _example(seq: int, member: Member, by: User) -> dict[str, Any]:
    return {
        "room": samples.ROOM_ID, "seq": seq, "at": samples.AT, "actor": by.id, "data": MemberChange(member, by)
    }  # fmt: skip


class MemberJoined(MemberEvent, frozen=True, tag="member.joined"):
    """A user became a member of the room."""

    example = _example(2, samples.MEMBER, samples.ALICE)


class MemberLeft(MemberEvent, frozen=True, tag="member.left"):
    """A member left the room. For that member, this is the last event of the room."""

    evicts = True
    example = _example(58, samples.MEMBER, samples.BOB)


class MemberRemoved(MemberEvent, frozen=True, tag="member.removed"):
    """A member was removed from the room. For that member, this is the last event of the room."""

    evicts = True
    example = _example(58, samples.MEMBER, samples.ALICE)


class MemberUpdated(MemberEvent, frozen=True, tag="member.updated"):
    """A member's role changed, or they were muted or unmuted."""

    example = _example(58, samples.MUTED_MEMBER, samples.ALICE)


class RoomUpdated(LogEvent[Room], frozen=True, tag="room.updated"):
    """The settings of the room changed, or it was archived or unarchived."""

    subject = "room"
    example = {
        "room": samples.ROOM_ID, "seq": 58, "at": samples.AT, "actor": samples.ALICE.id, "data": samples.ROOM
    }  # fmt: skip


class Gap(Event, frozen=True, kw_only=True, tag="gap"):
    """Entries of the room's log that are no longer stored and will never be sent. Continue after `to`."""

    room: UUID
    from_: Annotated[int, Meta(description="Seq of the first missing entry")] = msgspec.field(name="from")
    to: Annotated[int, Meta(description="Seq of the last missing entry")]
    reason: Literal["retention"] = "retention"

    example = {"room": samples.ROOM_ID, "from_": 4, "to": 7}


class RoomAdded(Event, frozen=True, kw_only=True, tag="room.added"):
    """Another user added you to a room. Sent to all of your sockets, unless you have left the room again."""

    room: UUID
    data: Room

    example = {"room": samples.ROOM_ID, "data": samples.ROOM}


class ReadMoved(Event, frozen=True, kw_only=True, tag="read"):
    """A `read` moved your read cursor. Sent to all of your sockets, with the present state of the cursor."""

    room: UUID
    data: ReadState

    example = {"room": samples.ROOM_ID, "data": samples.READ}
