"""Reads of rooms and members. Renders models as the shapes of `rooms.schema`; no transactions."""

from collections.abc import Iterable, Mapping
from typing import cast
from uuid import UUID

from django.db import connection

from accounts.selectors import user_of
from foundation.errors import NotFound
from foundation.paging import KeysetPage, page_of
from foundation.schema import timestamp
from foundation.sql import Lookup, as_uuid
from rooms import models
from rooms.access import access_room
from rooms.permissions import Role
from rooms.schema import Head, Joined, Kind, Member, MemberPage, Notify, RoleName, Room, RoomPage

_MOVED_HEADS = Lookup(
    "SELECT h.room_id, h.seq FROM input JOIN rooms_head h ON h.room_id = input.key WHERE h.seq > input.number",
    key="uuid",
)


def room_of(room: models.Room) -> Room:
    return Room(
        id=room.id,
        kind=cast("Kind", room.kind),
        name=room.name,
        topic=room.topic,
        avatar_url=room.avatar_url,
        data=room.data,
        member_count=room.member_count,
        created_at=timestamp(room.created_at),
        archived_at=timestamp(room.archived_at) if room.archived_at else None,
        slow_mode_s=room.slow_mode_s,
    )


def member_of(membership: models.Membership) -> Member:
    """`membership.user` should be there already."""
    return Member(
        user=user_of(membership.user),
        role=cast("RoleName", Role(membership.role).name.lower()),
        joined_seq=membership.joined_seq,
        read_id=membership.read_id,
        muted_until=timestamp(membership.muted_until) if membership.muted_until else None,
        notify=cast("Notify", membership.notify),
    )


def head_of(head: models.Head) -> Head:
    return Head(seq=head.seq, message_id=head.message_id, floor=head.floor)


def joined_of(membership: models.Membership) -> Joined:
    """`membership` should have room, user and head with it."""
    head = membership.room.head
    return Joined(
        room=room_of(membership.room),
        membership=member_of(membership),
        head=head_of(head),
        unread=head.message_id - membership.read_id,
    )


def get_epoch() -> UUID:
    """The name of this history; made when first asked for. Each handshake asks, which is why it is plain SQL."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT value FROM rooms_epoch WHERE id = 1")
        row = cursor.fetchone()
    if row is None:
        return models.Epoch.objects.get_or_create(id=1)[0].value
    return as_uuid(row[0])


def get_room(*, user_id: UUID, room_id: UUID) -> Room:
    """Raises what `access_room` raises."""
    return room_of(access_room(user_id=user_id, room_id=room_id).room)


def get_joined(*, user_id: UUID, room_id: UUID) -> Joined:
    """Room, membership and head in one statement. Raises what `access_room` raises."""
    return joined_of(access_room(user_id=user_id, room_id=room_id).membership)


def list_public_rooms(*, search: str, before: UUID | None, after: UUID | None, limit: int) -> RoomPage:
    """Public rooms that are not archived, by id (oldest first), whose name contains `search`."""
    rooms = models.Room.objects.filter(kind="public", archived_at__isnull=True)
    if search:
        rooms = rooms.filter(name__icontains=search)
    page = page_of(rooms, key="id", before=before, after=after, limit=limit)
    return RoomPage(results=[room_of(row) for row in page.rows], has_before=page.has_before, has_after=page.has_after)


def list_memberships(
    *, user_id: UUID, before: UUID | None, after: UUID | None, limit: int
) -> KeysetPage[models.Membership]:
    """The user's memberships by room id (oldest first), each with user, room and head."""
    mine = models.Membership.objects.select_related("room", "user", "room__head").filter(
        user_id=user_id, left_seq__isnull=True
    )
    return page_of(mine, key="room_id", before=before, after=after, limit=limit)


def list_members(*, user_id: UUID, room_id: UUID, before: UUID | None, after: UUID | None, limit: int) -> MemberPage:
    """Members by user id. Raises what `access_room` raises."""
    access_room(user_id=user_id, room_id=room_id)
    members = models.Membership.objects.select_related("user").filter(room_id=room_id, left_seq__isnull=True)
    page = page_of(members, key="user_id", before=before, after=after, limit=limit)
    return MemberPage(
        results=[member_of(row) for row in page.rows], has_before=page.has_before, has_after=page.has_after
    )


def get_member(*, user_id: UUID, room_id: UUID, member_id: UUID) -> Member:
    """Raises what `access_room` raises, and `NotFound`."""
    access_room(user_id=user_id, room_id=room_id)
    membership = (
        models.Membership.objects.select_related("user")
        .filter(room_id=room_id, user_id=member_id, left_seq__isnull=True)
        .first()
    )
    if membership is None:
        raise NotFound("There is no such member.", field="user")
    return member_of(membership)


def list_moved_heads(*, known: Mapping[UUID, int]) -> dict[UUID, int]:
    """Of the rooms whose logs are known to reach so far: how far they reach now, where that is further. One query."""
    rows = _MOVED_HEADS.run(known)
    return {as_uuid(room_id): seq for room_id, seq in rows}


def get_floor(*, room_id: UUID) -> int:
    """The oldest seq that the room keeps."""
    return models.Head.objects.values_list("floor", flat=True).filter(room_id=room_id).first() or 1


def list_entries(*, room_id: UUID, after: int, limit: int) -> list[models.Entry]:
    """The bare entries that follow `after`, oldest first. Asks nobody's leave."""
    return list(models.Entry.objects.filter(room_id=room_id, seq__gt=after).order_by("seq")[:limit])


def members_by_id(room_id: UUID, user_ids: Iterable[UUID]) -> dict[UUID, Member]:
    """Members past and present, for the rendering of entries."""
    rows = models.Membership.objects.select_related("user").filter(room_id=room_id, user_id__in=set(user_ids))
    return {row.user_id: member_of(row) for row in rows}
