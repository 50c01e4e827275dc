"""The only way from a user to a room: reads the membership and checks the permission. Changes nothing."""

from collections.abc import Collection, Sequence
from typing import NamedTuple
from uuid import UUID

import msgspec

from foundation.errors import DomainError, NotFound
from foundation.sql import Query, as_uuid
from rooms import models
from rooms.errors import Archived
from rooms.permissions import Permission, refusal_of_stranger
from rooms.schema import Head

_POSITIONS = Query(
    """
    SELECT input.request, m.room_id, m.joined_seq, m.read_id, h.seq, h.message_id, h.floor
    FROM input
    JOIN rooms_membership m ON m.room_id = input.room_id AND m.user_id = input.user_id AND m.left_seq IS NULL
    JOIN rooms_head h ON h.room_id = m.room_id
    """,
    request="int", room_id="uuid", user_id="uuid",
)  # fmt: skip


class Access(msgspec.Struct, frozen=True):
    """A room and the membership through which a user reached it."""

    room: models.Room
    membership: models.Membership

    def require(self, permission: Permission) -> None:
        """Raises `Forbidden` if the member's role is too low."""
        if (refusal := permission.refusal(self.membership.role)) is not None:
            raise refusal


class RoomPosition(NamedTuple):
    """A member's position in a room: the seq at which they joined, the id up to which they have read, and the head."""

    joined_seq: int
    read_id: int
    head: Head

    @property
    def unread(self) -> int:
        return self.head.message_id - self.read_id


def access_room(*, user_id: UUID, room_id: UUID, permission: Permission = Permission.READ) -> Access:
    """Returns the room and the user's membership, if the user is a member whose role allows `permission`.

    One query, and one more if the user is not a member; no transaction. If the result has to hold at a position in the
    log, call it after locking the room's head (`rooms.change`).

    Raises `Forbidden` if the member's role is too low. If the user is not a member, raises `NotAMember` for a public
    room and `NotFound` for a private one, as for a room that does not exist.
    """
    membership = (
        models.Membership.objects.select_related("room", "user", "room__head")
        .filter(room_id=room_id, user_id=user_id, left_seq__isnull=True)
        .first()
    )
    if membership is None:
        raise _refusals([room_id])[room_id]
    access = Access(room=membership.room, membership=membership)
    access.require(permission)
    return access


def access_rooms(requests: Sequence[tuple[UUID, Collection[UUID]]]) -> list[dict[UUID, RoomPosition | DomainError]]:
    """Returns, for each user and rooms in `requests`, the user's position in each room of which they are a member, and
    an error for each other room. The errors are those that `access_room` would raise.

    At most two queries for any number of users and rooms; no transaction.
    """
    found: list[dict[UUID, RoomPosition | DomainError]] = [{} for _ in requests]
    rows = _POSITIONS.run(
        [(index, room_id, user_id) for index, (user_id, room_ids) in enumerate(requests) for room_id in room_ids]
    )
    for index, room_id, joined_seq, read_id, seq, message_id, floor in rows:
        head = Head(seq=seq, message_id=message_id, floor=floor)
        found[index][as_uuid(room_id)] = RoomPosition(joined_seq, read_id, head)
    others = [set(room_ids) - known.keys() for (_, room_ids), known in zip(requests, found, strict=True)]
    refusals = _refusals(set().union(*others)) if any(others) else {}
    for known, refused in zip(found, others, strict=True):
        known |= {room_id: refusals[room_id] for room_id in refused}
    return found


def find_memberships(members: Collection[tuple[UUID, UUID]]) -> list[models.Membership]:
    """Returns the memberships of those of `members`, given by the ids of room and user, who are members.

    Each has `user`, `room` and `room.head` loaded. One query for up to some hundred members; no transaction.
    """
    present = models.Membership.objects.select_related("room", "user", "room__head").filter(left_seq__isnull=True)
    return list(present.filter(pk__in=list(members)))


def find_member(*, room_id: UUID, user_id: UUID) -> models.Membership | None:
    """Returns the membership of a present member, with `user` loaded, or None. One query. Does not check access."""
    return (
        models.Membership.objects.select_related("user")
        .filter(room_id=room_id, user_id=user_id, left_seq__isnull=True)
        .first()
    )


def get_member_row(*, room_id: UUID, user_id: UUID) -> models.Membership:
    """As `find_member`, but raises `NotFound`."""
    membership = find_member(room_id=room_id, user_id=user_id)
    if membership is None:
        raise NotFound("There is no such member.", field="user")
    return membership


def require_writable(room: models.Room) -> None:
    """Raises `Archived` if the room is archived."""
    if room.archived_at is not None:
        raise Archived


def _refusals(room_ids: Collection[UUID]) -> dict[UUID, DomainError]:
    """Returns the error for each of the rooms, of none of which the user is a member. One query."""
    public = set(models.Room.objects.filter(id__in=room_ids, kind="public").values_list("id", flat=True))
    return {room_id: refusal_of_stranger(is_public=room_id in public) for room_id in room_ids}
