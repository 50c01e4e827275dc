"""The JSON shapes of messages, and of the replies of the socket. Knows no framework.

Docstrings and descriptions of fields are published in openapi.yaml and asyncapi.yaml and address the developers of
clients.
"""

from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from accounts.schema import User
from foundation.errors import DomainError
from foundation.schema import CustomData, Struct, Timestamp
from rooms.schema import Head, Joined, Member, Room, Unread

Resync = Annotated[
    bool, Meta(description="True if missing entries are not replayed: discard what you hold, and continue from `head`")
]


class Sender(Struct, frozen=True):
    """The author of a message."""

    id: UUID
    username: str
    display_name: str


class Reaction(Struct, frozen=True):
    """The reactions to a message with one emoji."""

    emoji: str
    count: int
    users: list[UUID]


class Attachment(Struct, frozen=True):
    """A file that is attached to a message."""

    id: UUID
    url: str


class Message(Struct, frozen=True, kw_only=True):
    """A message in its current state. A deleted message has `deleted_at`, and its content is empty."""

    room: UUID
    id: Annotated[int, Meta(description="Position among the messages of the room: 1, 2, 3 …")]
    seq: Annotated[int, Meta(description="Seq of the entry by which the message was sent")]
    sender: Sender
    text: str
    client_id: Annotated[str | None, Meta(description="The `client_id` of the `send`, if it had one")]
    reply_to: Annotated[int | None, Meta(description="Id of the message that this one replies to")]
    thread: Annotated[int | None, Meta(description="Id of the message that started the thread")] = None
    replies: Annotated[int, Meta(description="Number of replies in the thread that starts with this message")] = 0
    last_reply_at: Timestamp | None = None
    mentions: Annotated[list[UUID], Meta(description="Ids of the users who are mentioned")] = []
    attachments: list[Attachment] = []
    data: CustomData
    reactions: list[Reaction] = []
    pinned: bool = False
    created_at: Timestamp
    edited_at: Timestamp | None = None
    deleted_at: Timestamp | None = None


class MessagePage(Struct, frozen=True):
    """A page of messages, oldest first."""

    messages: list[Message]
    has_before: bool
    has_after: bool


class LogPage(Struct, frozen=True):
    """A page of a room's events, oldest first, as the socket sends them."""

    results: list[msgspec.Raw]
    has_before: bool
    has_after: bool


class Sent(Struct, frozen=True):
    """The position of the message, which is committed."""

    room: UUID
    id: Annotated[int, Meta(description="Position among the messages of the room")]
    seq: Annotated[int, Meta(description="Position in the room's log")]
    created_at: Timestamp


class Followed(Joined, frozen=True, kw_only=True):
    """The result of `join`: the room, your membership of it, the end of its log, and whether to resync."""

    resync: Resync
    messages: Annotated[
        list[Message] | UnsetType,
        Meta(description="The latest messages: as many as `history` says; by default 50 if `resync`, else left out"),
    ] = UNSET

    def with_messages(self, messages: list[Message]) -> "Followed":
        return msgspec.structs.replace(self, messages=messages)


class MyRoom(Room, frozen=True, kw_only=True):
    """A room of which you are a member."""

    membership: Member
    head: Head
    unread: Unread
    mentions: Annotated[int, Meta(description="Number of unread messages that mention you")] = 0
    last_message: Message | None


class MyRoomPage(Struct, frozen=True):
    """A page of your rooms, oldest first."""

    results: list[MyRoom]
    has_before: bool
    has_after: bool


def sender_of(user: User) -> Sender:
    return Sender(id=user.id, username=user.username, display_name=user.display_name)


class Error(msgspec.Struct, frozen=True):
    """Why a request was refused."""

    code: Annotated[str, Meta(description="For programs: one of the error codes")]
    detail: Annotated[str, Meta(description="For people: a sentence")]
    field: Annotated[str | None, Meta(description="Path of the invalid field, if there is one")]
    retry_after: Annotated[float | None, Meta(description="Seconds to wait before you try again")]


def error_of(error: DomainError) -> Error:
    return Error(code=error.code, detail=error.detail, field=error.field, retry_after=error.retry_after)


class Synced(msgspec.Struct, frozen=True):
    """The result of `sync` for one room: either `head`, `unread` and `resync`, or `error`."""

    head: Head | UnsetType = UNSET
    unread: Unread | UnsetType = UNSET
    resync: Resync | UnsetType = UNSET
    error: Error | UnsetType = UNSET


class SyncedRooms(msgspec.Struct, frozen=True):
    """The results of `sync`, by room."""

    rooms: dict[UUID, Synced]


class Pong(msgspec.Struct, frozen=True):
    """The result of `ping`."""

    at: Annotated[Timestamp, Meta(description="The server's time: RFC 3339, UTC, milliseconds")]


class Greeting(msgspec.Struct, frozen=True):
    """Your user and session, the epoch of the database, and the limits of the server."""

    protocol: Annotated[int, Meta(description="Version of the protocol")]
    features: Annotated[tuple[str, ...], Meta(description="What the server supports")]
    epoch: Annotated[
        UUID,
        Meta(description="Identifies this history of the database. Changes if an earlier state is restored"),
    ]
    user: User
    session: Annotated[UUID, Meta(description="Id of your session. Not a credential")]
    expires_at: Annotated[Timestamp, Meta(description="When your session ends: RFC 3339, UTC, milliseconds")]
    heartbeat_s: Annotated[float, Meta(description="Seconds without a frame after which to send `ping`")]
    limits: Annotated[dict[str, float], Meta(description="Limits of the server, by the name of the setting")]
