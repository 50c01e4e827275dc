"""Reads of messages, and the rendering of a room's log as notices. No transactions."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from django.db.models import QuerySet

from accounts.schema import Standing
from accounts.selectors import list_changed_sessions, users_by_id
from foundation.errors import NotFound
from foundation.schema import timestamp
from messaging import models
from messaging.append.submissions import shown_client_id
from messaging.fanout.pages import Page
from messaging.wire.actions import History
from messaging.wire.events import message_created
from messaging.wire.shapes import LogPage, Message, MessagePage, MyRoom, MyRoomPage, Sender
from rooms import events, selectors
from rooms import models as rooms
from rooms.access import access_room
from rooms.services.admission import member_notice
from rooms.services.rooms import room_notice

_FIELDS = (
    "room_id", "id", "seq", "sender_id", "sender__username", "sender__display_name", "text", "client_id",
    "reply_to", "data", "created_at", "edited_at", "deleted_at",
)  # fmt: skip


def list_changes(
    *, heads: Mapping[UUID, int], auth_versions: Mapping[str, int]
) -> tuple[dict[UUID, int], dict[str, Standing | None]]:
    """What a sweep asks: which of the rooms have moved on, which of the sessions have changed. At most two queries."""
    return (
        selectors.list_moved_heads(known=heads) if heads else {},
        list_changed_sessions(auth_versions=auth_versions) if auth_versions else {},
    )


def list_messages(*, user_id: UUID, history: History) -> MessagePage:
    """The page that `history` asks for, oldest first. At most three queries. Raises what `access_room` raises.

    No further than the head where one was seen to be a member: what comes later may be for others alone. Each query
    has one upper bound, for of two SQLite may go through all that lies between them.
    """
    head = access_room(user_id=user_id, room_id=history.room).room.head.message_id
    messages = models.Message.objects.filter(room_id=history.room)
    limit = history.limit
    if history.after is not None:
        rows, more = _following(messages.filter(id__gt=history.after, id__lte=head), limit)
        return MessagePage(messages=rows, has_before=history.after > 0 and head > 0, has_after=more)
    if history.around is not None:
        older, more_before = _preceding(messages.filter(id__lte=min(history.around, head)), limit - limit // 2)
        newer, more_after = _following(messages.filter(id__gt=history.around, id__lte=head), limit // 2)
        return MessagePage(messages=older + newer, has_before=more_before, has_after=more_after)
    if history.before is not None:
        rows, more = _preceding(messages.filter(id__lte=min(history.before - 1, head)), limit)
        return MessagePage(messages=rows, has_before=more, has_after=history.before <= head)
    rows, more = _preceding(messages.filter(id__lte=head), limit)
    return MessagePage(messages=rows, has_before=more, has_after=False)


def get_message(*, user_id: UUID, room_id: UUID, message_id: int) -> Message:
    """One message. Raises `NotFound`, and what `access_room` raises."""
    head = access_room(user_id=user_id, room_id=room_id).room.head
    message = _messages_by_id(room_id, [message_id]).get(message_id) if message_id <= head.message_id else None
    if message is None:
        raise NotFound("There is no such message.")
    return message


def list_my_rooms(*, user_id: UUID, before: UUID | None, after: UUID | None, limit: int) -> MyRoomPage:
    """The user's rooms with what is unread and what was said last, by room id. Two queries, however many rooms."""
    page = selectors.list_memberships(user_id=user_id, before=before, after=after, limit=limit)
    latest = _messages_by_key([(row.room_id, row.room.head.message_id) for row in page.rows])
    return MyRoomPage(
        results=[_my_room(row, latest.get((row.room_id, row.room.head.message_id))) for row in page.rows],
        has_before=page.has_before,
        has_after=page.has_after,
    )


def read_page(*, room_id: UUID, after: int, limit: int) -> Page:
    """The entries that follow `after` as notices, each with its subject as it is now. At most six queries.

    Asks nobody's leave: it fills the feed of a room, which gives each follower what is theirs.
    """
    entries = selectors.list_entries(room_id=room_id, after=after, limit=limit)
    messages = _messages_by_id(room_id, [entry.message_id for entry in entries if entry.message_id])
    members, actors, room = {}, {}, None
    if any(entry.user_id for entry in entries):
        members = selectors.members_by_id(room_id, (entry.user_id for entry in entries if entry.user_id))
        actors = users_by_id(entry.actor_id for entry in entries if entry.user_id)
    if any(entry.kind == "room.updated" for entry in entries):
        room = rooms.Room.objects.get(id=room_id)
    notices = []
    for entry in entries:
        if entry.message_id:
            notices.append(message_created(messages[entry.message_id]))
        elif entry.user_id:
            change = events.MemberChange(member=members[entry.user_id], by=actors[entry.actor_id])
            notices.append(member_notice(room_id=room_id, seq=entry.seq, kind=entry.kind, at=entry.at, change=change))
        elif room is not None:
            notices.append(room_notice(entry, room))
    return Page(floor=selectors.get_floor(room_id=room_id), notices=notices)


def list_log(*, user_id: UUID, room_id: UUID, after: int, limit: int) -> LogPage:
    """A page of the room's events. What retention took is a `gap`. Raises what `access_room` raises."""
    head = access_room(user_id=user_id, room_id=room_id).room.head.seq
    page = read_page(room_id=room_id, after=after, limit=limit)
    notices = [notice for notice in page.notices if notice.seq <= head]
    if after + 1 < page.floor:
        notices = [events.gap_notice(room_id, after + 1, page.floor - 1), *notices]
    last = notices[-1].seq if notices else after
    return LogPage(
        results=[msgspec.Raw(notice.payload) for notice in notices], has_before=after > 0, has_after=last < head
    )


def _messages_by_key(keys: list[tuple[UUID, int]]) -> dict[tuple[UUID, int], Message]:
    rows = models.Message.objects.filter(pk__in=keys).values_list(*_FIELDS) if keys else []
    return {(row[0], row[1]): _message_of(row) for row in rows}


def _messages_by_id(room_id: UUID, ids: list[int]) -> dict[int, Message]:
    rows = models.Message.objects.filter(room_id=room_id, id__in=ids).values_list(*_FIELDS) if ids else []
    return {row[1]: _message_of(row) for row in rows}


def _following(messages: QuerySet[models.Message], limit: int) -> tuple[list[Message], bool]:
    rows = list(messages.order_by("id").values_list(*_FIELDS)[: limit + 1])
    return [_message_of(row) for row in rows[:limit]], len(rows) > limit


def _preceding(messages: QuerySet[models.Message], limit: int) -> tuple[list[Message], bool]:
    rows = list(messages.order_by("-id").values_list(*_FIELDS)[: limit + 1])
    return [_message_of(row) for row in rows[:limit][::-1]], len(rows) > limit


def _message_of(row: Sequence[Any]) -> Message:
    (room_id, message_id, seq, sender_id, username, display_name, text, client_id, reply_to, data, *times) = row
    created_at, edited_at, deleted_at = (timestamp(moment) if moment else None for moment in times)
    return Message(
        room=room_id,
        id=message_id,
        seq=seq,
        sender=Sender(id=sender_id, username=username, display_name=display_name or username),
        text=text,
        client_id=shown_client_id(client_id),
        reply_to=reply_to,
        data=data,
        created_at=created_at or "",
        edited_at=edited_at,
        deleted_at=deleted_at,
    )


def _my_room(membership: rooms.Membership, last_message: Message | None) -> MyRoom:
    joined = selectors.joined_of(membership)
    room = joined.room
    return MyRoom(
        **{name: getattr(room, name) for name in room.__struct_fields__},
        membership=joined.membership,
        head=joined.head,
        unread=joined.unread,
        last_message=last_message,
    )
