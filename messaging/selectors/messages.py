"""Reads messages, rendered as `messaging.wire.shapes.Message`. No transactions."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import msgspec
from django.conf import settings
from django.db.models import QuerySet

from foundation.errors import NotFound
from foundation.paging import count_within
from foundation.schema import timestamp
from messaging import models
from messaging.append.rows import READ_COLUMNS
from messaging.append.submissions import shown_client_id
from messaging.wire.actions import History
from messaging.wire.shapes import Message, MessagePage, Sender
from rooms.access import access_room

_encoder = msgspec.json.Encoder()
# What `_message_of` renders.
_FIELDS = (*READ_COLUMNS, "sender__username", "sender__display_name")


def list_messages(*, user_id: UUID, history: History) -> MessagePage:
    """Returns the page of messages that `history` asks for, oldest first, to a member of the room.

    The page ends at the head that was read together with the membership, because the user may be removed meanwhile. It
    is bounded by number and by `page_max_bytes`, but holds at least one message. At most three queries. Raises what
    `access_room` raises.
    """
    head = access_room(user_id=user_id, room_id=history.room).room.head.message_id
    # Each query has one upper bound: with two, SQLite may scan everything between them.
    messages = models.Message.objects.filter(room_id=history.room)
    limit = history.limit
    if history.after is not None:
        rows, more = _following(messages.filter(id__gt=history.after, id__lte=head), limit)
        return MessagePage(messages=rows, has_before=history.after > 0 and head > 0, has_after=more)
    if history.around is not None:
        older, more_before = _preceding(messages.filter(id__lte=min(history.around, head)), limit - limit // 2, parts=2)
        newer, more_after = _following(messages.filter(id__gt=history.around, id__lte=head), limit // 2, parts=2)
        return MessagePage(messages=older + newer, has_before=more_before, has_after=more_after)
    if history.before is not None:
        rows, more = _preceding(messages.filter(id__lte=min(history.before - 1, head)), limit)
        return MessagePage(messages=rows, has_before=more, has_after=history.before <= head)
    rows, more = _preceding(messages.filter(id__lte=head), limit)
    return MessagePage(messages=rows, has_before=more, has_after=False)


def get_message(*, user_id: UUID, room_id: UUID, message_id: int) -> Message:
    """Returns one message, to a member of the room. At most two queries.

    Raises `NotFound` if there is no such message, and what `access_room` raises.
    """
    head = access_room(user_id=user_id, room_id=room_id).room.head
    message = messages_by_id(room_id, [message_id]).get(message_id) if message_id <= head.message_id else None
    if message is None:
        raise NotFound("There is no message with this id.")
    return message


def messages_by_key(keys: list[tuple[UUID, int]]) -> dict[tuple[UUID, int], Message]:
    """Returns the messages with these keys, which are pairs of room and id. One query. Does not check access."""
    rows = models.Message.objects.filter(pk__in=keys).values_list(*_FIELDS) if keys else []
    return {(row[0], row[1]): _message_of(row) for row in rows}


def messages_by_id(room_id: UUID, ids: Collection[int]) -> dict[int, Message]:
    """Returns the messages of one room with these ids. One query. Does not check access."""
    rows = models.Message.objects.filter(room_id=room_id, id__in=ids).values_list(*_FIELDS) if ids else []
    return {row[1]: _message_of(row) for row in rows}


def _following(messages: QuerySet[models.Message], limit: int, *, parts: int = 1) -> tuple[list[Message], bool]:
    """Returns the first messages, as many as a page may hold, and whether there are more."""
    return _fitting(messages.order_by("id"), limit, parts)


def _preceding(messages: QuerySet[models.Message], limit: int, *, parts: int = 1) -> tuple[list[Message], bool]:
    """Returns the last messages, as many as a page may hold, and whether there are more before them."""
    found, more = _fitting(messages.order_by("-id"), limit, parts)
    return found[::-1], more


def _fitting(messages: QuerySet[models.Message], limit: int, parts: int) -> tuple[list[Message], bool]:
    """Bounds one of `parts` of a page by number and by bytes."""
    rows = list(messages.values_list(*_FIELDS)[: limit + 1])
    found = [_message_of(row) for row in rows[:limit]]
    count = count_within(
        (len(_encoder.encode(each)) for each in found), settings.ROOMLOG_LIMITS.page_max_bytes // parts
    )
    return found[:count], len(rows) > count


def _message_of(row: Sequence[Any]) -> Message:
    column = dict(zip(_FIELDS, row, strict=True))
    username, display_name = column["sender__username"], column["sender__display_name"]
    edited_at, deleted_at = column["edited_at"], column["deleted_at"]
    return Message(
        room=column["room_id"],
        id=column["id"],
        seq=column["seq"],
        sender=Sender(id=column["sender_id"], username=username, display_name=display_name or username),
        text=column["text"],
        client_id=shown_client_id(column["client_id"]),
        reply_to=column["reply_to"],
        data=column["data"],
        created_at=timestamp(column["created_at"]),
        edited_at=timestamp(edited_at) if edited_at else None,
        deleted_at=timestamp(deleted_at) if deleted_at else None,
    )
