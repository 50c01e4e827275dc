"""The JSON shapes of rooms and members. Knows no framework.

Docstrings and descriptions of fields are published in openapi.yaml and asyncapi.yaml and address the developers of
clients.
"""

from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from accounts.schema import User
from foundation.schema import NO_CONTROLS, CustomData, Struct, Timestamp, Url

Kind = Literal["public", "private", "direct"]
RoleName = Literal["owner", "admin", "moderator", "member"]
Notify = Literal["all", "mentions", "none"]

RoomName = Annotated[str, Meta(min_length=1, max_length=100, pattern=NO_CONTROLS)]
Topic = Annotated[str, Meta(max_length=500, pattern=NO_CONTROLS)]
ReadId = Annotated[int, Meta(description="Read cursor: id of the last message that was read; 0 if none was")]
Unread = Annotated[int, Meta(description="Number of messages after the read cursor")]


class Room(Struct, frozen=True):
    """A room."""

    id: UUID
    kind: Annotated[
        Kind, Meta(description="`public`: anyone may find and join the room. `private`: members are added.")
    ]
    name: str
    topic: str
    avatar_url: str
    data: CustomData
    member_count: int
    created_at: Timestamp
    archived_at: Annotated[Timestamp | None, Meta(description="Null if the room is not archived")]
    slow_mode_s: Annotated[int, Meta(description="Seconds that a member must wait between two messages; 0 for no wait")]


class Member(Struct, frozen=True):
    """A member of a room."""

    user: User
    role: RoleName
    joined_seq: Annotated[int, Meta(description="Seq of the entry by which the user became a member")]
    read_id: ReadId
    muted_until: Annotated[Timestamp | None, Meta(description="Until then the member cannot send; null if not muted")]
    notify: Annotated[Notify, Meta(description="Which messages to notify the member of")]


class Head(Struct, frozen=True):
    """The end of a room's log."""

    seq: Annotated[int, Meta(description="Seq of the latest entry; 0 if there is none")]
    message_id: Annotated[int, Meta(description="Id of the latest message; 0 if there is none")]
    floor: Annotated[int, Meta(description="Oldest seq that is still stored")]


class LockedHead(msgspec.Struct):
    """The end of a room's log while its head is locked. Changes as entries are numbered; never sent to clients."""

    seq: int
    message_id: int


class RoomPage(Struct, frozen=True):
    """A page of rooms, oldest first."""

    results: list[Room]
    has_before: bool
    has_after: bool


class MemberPage(Struct, frozen=True):
    """A page of members, by user id."""

    results: list[Member]
    has_before: bool
    has_after: bool


class ReadState(Struct, frozen=True):
    """Your read cursor, and the number of messages after it."""

    read_id: ReadId
    unread: Unread


class Joined(Struct, frozen=True):
    """A room, your membership of it, and the end of its log."""

    room: Room
    membership: Member
    head: Head
    unread: Unread


class NewRoom(Struct, frozen=True):
    """The room to create. You become its owner."""

    name: RoomName
    kind: Literal["public", "private"]
    topic: Topic = ""
    avatar_url: Url = ""
    data: CustomData = msgspec.field(default_factory=dict)
    members: Annotated[list[UUID], Meta(max_length=100, description="Ids of the users to add as members")] = []


class RoomPatch(Struct, frozen=True):
    """The fields to change. Fields that are left out keep their values."""

    name: RoomName | UnsetType = UNSET
    topic: Topic | UnsetType = UNSET
    avatar_url: Url | UnsetType = UNSET
    data: CustomData | UnsetType = UNSET
    archived: Annotated[
        bool | UnsetType, Meta(description="`true` archives the room, which makes it read-only; `false` unarchives it")
    ] = UNSET


class NewMember(Struct, frozen=True):
    """The user to add to the room, and their role."""

    user: Annotated[UUID, Meta(description="Id of the user")]
    role: RoleName = "member"


class MemberPatch(Struct, frozen=True):
    """The fields to change, at least one. Fields that are left out keep their values."""

    json_schema: ClassVar[dict[str, Any]] = {"minProperties": 1}
    role: RoleName | UnsetType = UNSET
    muted_until: Annotated[
        Annotated[Timestamp, Meta(description="RFC 3339, with an offset or `Z`")] | None | UnsetType,
        Meta(description="Until when the member cannot send; null ends the mute"),
    ] = UNSET
