"""Comings and goings under a locked head: memberships, their entries, their notices."""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import F

from accounts import models as accounts
from rooms import events, log, models
from rooms.notices import change_notice
from rooms.selectors import room_of


def admit(
    head: log.LockedHead,
    room: models.Room,
    users: Sequence[accounts.User],
    *,
    by: accounts.User,
    role: models.Role,
    at: datetime,
) -> tuple[list[models.Membership], list[events.Notice]]:
    """Make `users` (none of them a member) members, with one `member.joined` each. Inside the head's transaction.

    Their read cursor is the head. Who was a member before keeps mute and notification level.
    """
    entries = log.append_entries(
        head, [log.EntryDraft("member.joined", actor_id=by.id, user_id=user.id) for user in users], at=at
    )
    former = {
        row.user_id: row
        for row in models.Membership.objects.filter(room_id=room.id, user_id__in=[user.id for user in users])
    }
    memberships = []
    for user, entry in zip(users, entries, strict=True):
        membership = former.get(user.id) or models.Membership(room=room, user=user)
        membership.room, membership.user = room, user
        membership.role, membership.joined_seq, membership.left_seq = role, entry.seq, None
        membership.read_id = head.message_id
        memberships.append(membership)
    models.Membership.objects.bulk_create(
        memberships,
        update_conflicts=True,
        unique_fields=["room_id", "user_id"],
        update_fields=["role", "joined_seq", "left_seq", "read_id"],
    )
    _count(room, len(users))
    notices: list[events.Notice] = [
        change_notice(entry, membership, by=by) for entry, membership in zip(entries, memberships, strict=True)
    ]
    notices += [
        events.user_notice(user.id, events.RoomAdded(room=room.id, data=room_of(room)))
        for user in users
        if user.id != by.id
    ]
    return memberships, notices


def expel(
    head: log.LockedHead,
    membership: models.Membership,
    *,
    kind: events.MemberKind,
    by: accounts.User,
    at: datetime,
) -> list[events.Notice]:
    """End `membership` with an entry of `kind`. Inside the head's transaction."""
    draft = log.EntryDraft(kind, actor_id=by.id, user_id=membership.user_id)
    entry = log.append_entries(head, [draft], at=at)[0]
    membership.left_seq = entry.seq
    membership.save(update_fields=["left_seq"])
    _count(membership.room, -1)
    return [change_notice(entry, membership, by=by)]


def _count(room: models.Room, difference: int) -> None:
    models.Room.objects.filter(id=room.id).update(member_count=F("member_count") + difference)
    room.member_count += difference
