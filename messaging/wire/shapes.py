"""The JSON shapes of messages. Knows no framework."""

from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from accounts.schema import User
from foundation.errors import DomainError
from foundation.schema import CustomData, Struct, Timestamp
from rooms.schema import Head, Joined, Member, Room


class Sender(Struct, frozen=True):
    id: UUID
    username: str
    display_name: str


class Reaction(Struct, frozen=True):
    emoji: str
    count: int
    users: list[UUID]


class Attachment(Struct, frozen=True):
    id: UUID
    url: str


class Message(Struct, frozen=True, kw_only=True):
    """A message as it now is. A tombstone has `deleted_at`, an empty text and nothing else of what was said."""

    room: UUID
    id: int
    seq: int
    sender: Sender
    text: str
    client_id: str | None
    reply_to: int | None
    thread: int | None = None
    replies: int = 0
    last_reply_at: Timestamp | None = None
    mentions: list[UUID] = []
    attachments: list[Attachment] = []
    data: CustomData
    reactions: list[Reaction] = []
    pinned: bool = False
    created_at: Timestamp
    edited_at: Timestamp | None = None
    deleted_at: Timestamp | None = None


class MessagePage(Struct, frozen=True):
    messages: list[Message]
    has_before: bool
    has_after: bool


class LogPage(Struct, frozen=True):
    """Events of a room, oldest first, as the socket would have brought them."""

    results: list[msgspec.Raw]
    has_before: bool
    has_after: bool


class Sent(Struct, frozen=True):
    """The place of an accepted message."""

    room: UUID
    id: int
    seq: int
    created_at: Timestamp


class Followed(Joined, frozen=True, kw_only=True):
    """The answer to `join`. With `resync` nothing is replayed: drop what you hold of the room, take `messages`."""

    resync: bool
    messages: list[Message] | msgspec.UnsetType = msgspec.UNSET

    def with_messages(self, messages: list[Message]) -> "Followed":
        return msgspec.structs.replace(self, messages=messages)


class MyRoom(Room, frozen=True, kw_only=True):
    """A room as one of its members lists it."""

    membership: Member
    head: Head
    unread: int
    mentions: int = 0
    last_message: Message | None


class MyRoomPage(Struct, frozen=True):
    results: list[MyRoom]
    has_before: bool
    has_after: bool


def sender_of(user: User) -> Sender:
    return Sender(id=user.id, username=user.username, display_name=user.display_name)


class Error(msgspec.Struct, frozen=True):
    code: str
    detail: str
    field: str | None
    retry_after: float | None


def error_of(error: DomainError) -> Error:
    return Error(code=error.code, detail=error.detail, field=error.field, retry_after=error.retry_after)


class Synced(msgspec.Struct, frozen=True):
    """The answer to `sync` for one room: its head and what is unread, or only the error."""

    head: Head | UnsetType = UNSET
    unread: int | UnsetType = UNSET
    resync: bool | UnsetType = UNSET
    error: Error | UnsetType = UNSET


class SyncedRooms(msgspec.Struct, frozen=True):
    """The answer to `sync`."""

    rooms: dict[UUID, Synced]


class Pong(msgspec.Struct, frozen=True):
    """The answer to `ping`."""

    at: Timestamp


class Greeting(msgspec.Struct, frozen=True):
    """What a client learns first: its user and session, the epoch of the database, and the bounds it must keep to."""

    protocol: int
    features: tuple[str, ...]
    epoch: UUID
    user: User
    session: UUID
    expires_at: Timestamp
    heartbeat_s: float
    limits: dict[str, float]
