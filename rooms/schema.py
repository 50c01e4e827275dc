"""The JSON shapes of rooms and members. Knows no framework."""

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


class Room(Struct, frozen=True):
    id: UUID
    kind: Kind
    name: str
    topic: str
    avatar_url: str
    data: CustomData
    member_count: int
    created_at: Timestamp
    archived_at: Timestamp | None
    slow_mode_s: int


class Member(Struct, frozen=True):
    user: User
    role: RoleName
    joined_seq: int
    read_id: int
    muted_until: Timestamp | None
    notify: Notify


class Head(Struct, frozen=True):
    """The last seq and the last message id of a room (0 where there is none yet), and the oldest seq that is kept."""

    seq: int
    message_id: int
    floor: int


class LockedHead(msgspec.Struct):
    """Where the log of a room ends while its head is locked; moves as entries are numbered. Never sent."""

    seq: int
    message_id: int


class RoomPage(Struct, frozen=True):
    results: list[Room]
    has_before: bool
    has_after: bool


class MemberPage(Struct, frozen=True):
    results: list[Member]
    has_before: bool
    has_after: bool


class ReadState(Struct, frozen=True):
    read_id: int
    unread: int


class Joined(Struct, frozen=True):
    """A membership together with the room and its head, read in one statement."""

    room: Room
    membership: Member
    head: Head
    unread: int


class NewRoom(Struct, frozen=True):
    """A room to create."""

    name: RoomName
    kind: Literal["public", "private"]
    topic: Topic = ""
    avatar_url: Url = ""
    data: CustomData = msgspec.field(default_factory=dict)
    members: Annotated[list[UUID], Meta(max_length=100)] = []


class RoomPatch(Struct, frozen=True):
    """Settings to set; what is left out stays."""

    name: RoomName | UnsetType = UNSET
    topic: Topic | UnsetType = UNSET
    avatar_url: Url | UnsetType = UNSET
    data: CustomData | UnsetType = UNSET
    archived: bool | UnsetType = UNSET


class NewMember(Struct, frozen=True):
    """A user to add to a room, and their role."""

    user: UUID
    role: RoleName = "member"


class MemberPatch(Struct, frozen=True):
    """What to change of a member; what is left out stays. `muted_until` null ends a mute."""

    json_schema: ClassVar[dict[str, Any]] = {"minProperties": 1}
    role: RoleName | UnsetType = UNSET
    muted_until: Timestamp | None | UnsetType = UNSET
