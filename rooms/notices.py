"""Room and member events as notices, for services and replay alike."""

from datetime import datetime
from uuid import UUID

from accounts import models as accounts
from accounts.selectors import user_of
from foundation.schema import timestamp
from rooms import events, models
from rooms.selectors import member_of, room_of


def change_notice(entry: models.Entry, membership: models.Membership, *, by: accounts.User) -> events.RoomNotice:
    return member_notice(
        room_id=entry.room_id,
        seq=entry.seq,
        kind=entry.kind,
        at=entry.at,
        change=events.MemberChange(member=member_of(membership), by=user_of(by)),
    )


def member_notice(
    *, room_id: UUID, seq: int, kind: str, at: datetime, change: events.MemberChange
) -> events.RoomNotice:
    event = events.Event(event=kind, room=room_id, seq=seq, at=timestamp(at), actor=change.by.id, data=change)
    return events.room_notice(event, evicts=change.member.user.id if kind in events.EVICTIONS else None)


def room_notice(entry: models.Entry, room: models.Room) -> events.RoomNotice:
    event = events.Event(
        event=entry.kind,
        room=entry.room_id,
        seq=entry.seq,
        at=timestamp(entry.at),
        actor=entry.actor_id,
        data=room_of(room),
    )
    return events.room_notice(event)
