"""Reads rooms' logs. An entry is rendered by its own kind, with its subject in its current state. No transactions."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec
from django.conf import settings

from accounts.selectors import list_changed_sessions, users_by_id
from foundation.paging import count_within
from messaging.fanout.pages import EntryPage
from messaging.fanout.sweep import Changes
from messaging.selectors.messages import messages_by_id
from messaging.selectors.user_changes import list_user_changes
from messaging.wire.registry import LOG_EVENTS
from messaging.wire.shapes import LogPage
from rooms import models, selectors
from rooms.access import access_room
from rooms.events import MemberChange, Subject
from rooms.notices import RoomNotice, render_entry, render_gap

Entries = Sequence[models.Entry]
DataBySeq = Mapping[int, Any]


def read_page(*, room_id: UUID, after: int, limit: int) -> EntryPage:
    """Returns up to `limit` entries with a seq above `after`, as notices, and the room's floor. At most six queries.

    Does not check access: it fills the feed of a room, which checks what each follower may see.
    """
    entries = selectors.list_entries(room_id=room_id, after=after, limit=limit)
    return EntryPage(floor=selectors.get_floor(room_id=room_id), notices=_render(room_id, entries))


def list_log(*, user_id: UUID, room_id: UUID, after: int, limit: int) -> LogPage:
    """Returns up to `limit` events with a seq above `after`, oldest first, for a member of the room.

    If the first of them are no longer stored, the page begins with a `gap`. It is bounded by `page_max_bytes`, too, but
    holds at least one event. At most seven queries. Raises what
    `access_room` raises.
    """
    head = access_room(user_id=user_id, room_id=room_id).room.head.seq
    page = read_page(room_id=room_id, after=after, limit=limit)
    notices = [notice for notice in page.notices if notice.seq <= head]
    if after + 1 < page.floor:
        notices = [render_gap(room_id, after + 1, page.floor - 1), *notices]
    notices = notices[
        : count_within((len(notice.payload) for notice in notices), settings.ROOMLOG_LIMITS.page_max_bytes)
    ]
    last = notices[-1].seq if notices else after
    return LogPage(
        results=[msgspec.Raw(notice.payload) for notice in notices], has_before=after > 0, has_after=last < head
    )


def list_changes(
    *, heads: Mapping[UUID, int], auth_versions: Mapping[str, int], user_versions: Mapping[UUID, int]
) -> Changes:
    """Returns what has changed since the last sweep: heads that have moved, sessions, and what concerns users.

    `heads` has the last known seq of each room, `auth_versions` the `auth_version` with which each session was
    admitted, and `user_versions` the version after which each user lacks changes. At most three queries for any number
    of rooms, sessions and users, and one more if something has changed for users.
    """
    return Changes(
        heads=selectors.list_moved_heads(known=heads),
        sessions=list_changed_sessions(auth_versions=auth_versions),
        users=list_user_changes(known=user_versions),
    )


def _render(room_id: UUID, entries: Entries) -> list[RoomNotice]:
    """Renders entries of one room. Reads all subjects of a type together."""
    by_subject: dict[Subject, list[models.Entry]] = {}
    for entry in entries:
        by_subject.setdefault(LOG_EVENTS[entry.kind].subject, []).append(entry)
    data: dict[int, Any] = {}
    for subject, entries_about_it in by_subject.items():
        data |= _SUBJECTS[subject](room_id, entries_about_it)
    return [
        render_entry(
            LOG_EVENTS[entry.kind],
            room_id=room_id,
            seq=entry.seq,
            at=entry.at,
            actor_id=entry.actor_id,
            data=data[entry.seq],
            user_id=entry.user_id,
            message_id=entry.message_id,
        )
        for entry in entries
    ]


def _messages(room_id: UUID, entries: Entries) -> DataBySeq:
    messages = messages_by_id(room_id, {entry.message_id for entry in entries if entry.message_id is not None})
    return {entry.seq: messages[entry.message_id] for entry in entries if entry.message_id is not None}


def _member_changes(room_id: UUID, entries: Entries) -> DataBySeq:
    members = selectors.members_by_id(room_id, [entry.user_id for entry in entries if entry.user_id is not None])
    actors = users_by_id(entry.actor_id for entry in entries)
    return {
        entry.seq: MemberChange(member=members[entry.user_id], by=actors[entry.actor_id])
        for entry in entries
        if entry.user_id is not None
    }


def _rooms(room_id: UUID, entries: Entries) -> DataBySeq:
    room = selectors.room_of(models.Room.objects.get(id=room_id))
    return {entry.seq: room for entry in entries}


_SUBJECTS: Final[Mapping[Subject, Callable[[UUID, Entries], DataBySeq]]] = {
    "message": _messages,
    "member": _member_changes,
    "room": _rooms,
}
