"""Reads of rooms and members, rendered as the shapes of `rooms.schema`. No transactions."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple, cast
from uuid import UUID

from django.db import connection

from accounts.selectors import user_of
from foundation.paging import KeysetPage, page_of
from foundation.schema import timestamp
from foundation.sql import Lookup, as_uuid
from rooms import models
from rooms.access import access_room, find_memberships, get_member_row
from rooms.permissions import Role
from rooms.schema import Head, Joined, Kind, Member, MemberPage, Notify, ReadState, RoleName, Room, RoomPage

_MOVED_HEADS = Lookup(
    "SELECT h.room_id, h.seq FROM input JOIN rooms_head h ON h.room_id = input.key WHERE h.seq > input.number",
    key="uuid",
)


_MOVED_USERS = Lookup(
    """
    SELECT h.user_id, h.version FROM input JOIN rooms_userhead h ON h.user_id = input.key
    WHERE h.version > input.number
    """,
    key="uuid",
)

# One row for each membership, in the order of the first change that its user lacks.
_CHANGED_MEMBERSHIPS = Lookup(
    """
    SELECT r.*, m.user_id AS member_id, m.read_id, h.message_id, m.added_version, m.read_version,
           CASE WHEN m.added_version > input.number THEN m.added_version ELSE m.user_version END AS first_version
    FROM input
    JOIN rooms_membership m
      ON m.user_id = input.key AND m.user_version > input.number AND m.user_version > 0 AND m.left_seq IS NULL
    JOIN rooms_room r ON r.id = m.room_id
    JOIN rooms_head h ON h.room_id = m.room_id
    ORDER BY m.user_id, first_version
    LIMIT %s
    """,
    key="uuid",
)


class ChangedMembership(NamedTuple):
    """A present membership with changes that its user has not received.

    `first_version` is the version of the first change that the user lacks. The others are those of the last change of
    their kind, which the user may know.
    """

    user_id: UUID
    room: Room
    read: ReadState
    first_version: int
    added_version: int
    read_version: int


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
    """Renders a membership. No query if `membership.user` is loaded."""
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
    """Renders a membership with its room and head. No query if `room`, `room.head` and `user` are loaded."""
    head = membership.room.head
    return Joined(
        room=room_of(membership.room),
        membership=member_of(membership),
        head=head_of(head),
        unread=head.message_id - membership.read_id,
    )


def get_epoch() -> UUID:
    """Returns the epoch, which identifies this history of the database. The first call creates it.

    One query, in plain SQL because every handshake runs it.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT value FROM rooms_epoch WHERE id = 1")
        row = cursor.fetchone()
    if row is None:
        return models.Epoch.objects.get_or_create(id=1)[0].value
    return as_uuid(row[0])


def get_room(*, user_id: UUID, room_id: UUID) -> Room:
    """Returns a room of which the user is a member. One query. Raises what `access_room` raises."""
    return room_of(access_room(user_id=user_id, room_id=room_id).room)


def get_joined(*, user_id: UUID, room_id: UUID) -> Joined:
    """Returns the room, the user's membership and the head, which one query reads together.

    Raises what `access_room` raises.
    """
    return joined_of(access_room(user_id=user_id, room_id=room_id).membership)


def joined_by_member(members: Collection[tuple[UUID, UUID]]) -> dict[tuple[UUID, UUID], Joined]:
    """Returns what `get_joined` returns, for many members, by the ids of room and user. One query.

    Users who are not members are left out.
    """
    return {(row.room_id, row.user_id): joined_of(row) for row in find_memberships(members)}


def list_public_rooms(*, search: str, before: UUID | None, after: UUID | None, limit: int) -> RoomPage:
    """Returns a page of the public rooms whose name contains `search`, in any case, without archived ones.

    Sorted by id, which is oldest first; `before` and `after` are ids, or None. Bounded by `page_max_bytes`, too. One
    query.
    """
    rooms = models.Room.objects.filter(kind="public", archived_at__isnull=True)
    if search:
        rooms = rooms.filter(name__icontains=search)
    page = page_of(rooms, key="id", before=before, after=after, limit=limit)
    return page.render(RoomPage, [room_of(row) for row in page.rows])


def list_memberships(
    *, user_id: UUID, before: UUID | None, after: UUID | None, limit: int
) -> KeysetPage[models.Membership]:
    """Returns a page of the user's memberships, each with `user`, `room` and `room.head` loaded. One query.

    Sorted by the room's id, which is oldest first; `before` and `after` are ids of rooms, or None.
    """
    mine = models.Membership.objects.select_related("room", "user", "room__head").filter(
        user_id=user_id, left_seq__isnull=True
    )
    return page_of(mine, key="room_id", before=before, after=after, limit=limit)


def list_members(*, user_id: UUID, room_id: UUID, before: UUID | None, after: UUID | None, limit: int) -> MemberPage:
    """Returns a page of the room's members, sorted by user id. Two queries. Raises what `access_room` raises.

    Bounded by `limit` and by `page_max_bytes`, but holds at least one member, if there is one.
    """
    access_room(user_id=user_id, room_id=room_id)
    members = models.Membership.objects.select_related("user").filter(room_id=room_id, left_seq__isnull=True)
    page = page_of(members, key="user_id", before=before, after=after, limit=limit)
    return page.render(MemberPage, [member_of(row) for row in page.rows])


def get_member(*, user_id: UUID, room_id: UUID, member_id: UUID) -> Member:
    """Returns a member of the room. Two queries.

    Raises `NotFound` if `member_id` is not a member, and what `access_room` raises.
    """
    access_room(user_id=user_id, room_id=room_id)
    return member_of(get_member_row(room_id=room_id, user_id=member_id))


def list_moved_heads(*, known: Mapping[UUID, int]) -> dict[UUID, int]:
    """Returns the seq of the head of each room whose head is beyond the seq given in `known`. One query."""
    rows = _MOVED_HEADS.run(known)
    return {as_uuid(room_id): seq for room_id, seq in rows}


def list_moved_users(*, known: Mapping[UUID, int]) -> dict[UUID, int]:
    """Returns the version of each user whose version is above the one given in `known`. One query."""
    rows = _MOVED_USERS.run(known)
    return {as_uuid(user_id): version for user_id, version in rows}


def list_changed_memberships(*, known: Mapping[UUID, int], limit: int) -> list[ChangedMembership]:
    """Returns up to `limit` memberships that changed for their users after the versions given in `known`.

    They are sorted by user, then by `first_version`. One query, which also reads that the users are members.
    """
    rows: Iterable[Any] = models.Room.objects.raw(*_CHANGED_MEMBERSHIPS.bind(known, limit)) if known else ()
    return [
        ChangedMembership(
            user_id=as_uuid(row.member_id),
            room=room_of(row),
            read=ReadState(read_id=row.read_id, unread=row.message_id - row.read_id),
            first_version=row.first_version,
            added_version=row.added_version,
            read_version=row.read_version,
        )
        for row in rows
    ]


def get_floor(*, room_id: UUID) -> int:
    """Returns the oldest seq that the room still stores; 1 if there is no such room. One query."""
    return models.Head.objects.values_list("floor", flat=True).filter(room_id=room_id).first() or 1


def list_entries(*, room_id: UUID, after: int, limit: int) -> list[models.Entry]:
    """Returns up to `limit` entries with a seq above `after`, oldest first. One query. Does not check access."""
    return list(models.Entry.objects.filter(room_id=room_id, seq__gt=after).order_by("seq")[:limit])


def members_by_id(room_id: UUID, user_ids: Iterable[UUID]) -> dict[UUID, Member]:
    """Returns the members with these ids, including former ones. One query. Does not check access."""
    rows = models.Membership.objects.select_related("user").filter(room_id=room_id, user_id__in=set(user_ids))
    return {row.user_id: member_of(row) for row in rows}
