"""Reads of a room's log, rendered as notices. No transactions."""

from collections.abc import Mapping
from uuid import UUID

import msgspec

from accounts.schema import Standing
from accounts.selectors import list_changed_sessions, users_by_id
from messaging.fanout.pages import EntryPage
from messaging.selectors.messages import _messages_by_id
from messaging.wire.events import message_created
from messaging.wire.shapes import LogPage
from rooms import events, selectors
from rooms import models as rooms
from rooms.access import access_room
from rooms.notices import member_notice, room_notice


def list_changes(
    *, heads: Mapping[UUID, int], auth_versions: Mapping[str, int]
) -> tuple[dict[UUID, int], dict[str, Standing | None]]:
    """What a sweep asks: which of the rooms have moved on, which of the sessions have changed. At most two queries."""
    return (
        selectors.list_moved_heads(known=heads) if heads else {},
        list_changed_sessions(auth_versions=auth_versions) if auth_versions else {},
    )


def read_page(*, room_id: UUID, after: int, limit: int) -> EntryPage:
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
    return EntryPage(floor=selectors.get_floor(room_id=room_id), notices=notices)


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
