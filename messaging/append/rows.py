"""The rows of an append. Each column of a message stands here once: the SQL of both engines, what is written and what
is read follow from the fields. Pure.
"""

from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from messaging.append.decide import Accepted
from messaging.wire.events import MessageCreated


class MessageRow(NamedTuple):
    """A new message in `messaging_message`."""

    room_id: UUID
    id: int
    seq: int
    sender_id: UUID
    text: str
    reply_to: int | None
    data: str
    client_id: str
    digest: bytes
    created_at: datetime


class EntryRow(NamedTuple):
    """Its entry in `rooms_entry`."""

    room_id: UUID
    seq: int
    kind: str
    actor_id: UUID
    message_id: int
    at: datetime


class HeadRow(NamedTuple):
    """Where a room's log ends after the append: values to set, then the key."""

    seq: int
    message_id: int
    room_id: UUID


class CursorRow(NamedTuple):
    """A sender's read cursor: the value to set, then the key and the value that it replaces."""

    read_id: int
    room_id: UUID
    user_id: UUID
    was: int


_CREATED: Final = MessageCreated.name()
# What is read of a message to render it. The digest is compared, never shown.
READ_COLUMNS: Final = (*(name for name in MessageRow._fields if name != "digest"), "edited_at", "deleted_at")


def message_row(accepted: Accepted, at: datetime) -> MessageRow:
    submission = accepted.submission
    data = msgspec.json.encode(submission.data).decode() if submission.data else "{}"  # as `ExactJSONField` stores it
    return MessageRow(  # in the order of its fields: by name it takes three times as long
        submission.room_id,
        accepted.id,
        accepted.seq,
        submission.sender_id,
        submission.text,
        submission.reply_to,
        data,
        submission.client_id,
        submission.digests[0],
        at,
    )


def entry_row(message: MessageRow) -> EntryRow:
    return EntryRow(message.room_id, message.seq, _CREATED, message.sender_id, message.id, message.created_at)
