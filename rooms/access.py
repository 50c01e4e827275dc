"""The only way from a user to a room: reads the membership and checks the permission. Changes nothing."""

from collections.abc import Collection
from typing import NamedTuple
from uuid import UUID

import msgspec

from foundation.errors import DomainError, NotFound
from foundation.sql import Lookup, as_uuid
from rooms import models
from rooms.errors import Archived
from rooms.permissions import Permission, refusal_of_stranger
from rooms.schema import Head

_POSITIONS = Lookup(
    """
    SELECT m.room_id, m.joined_seq, m.read_id, h.seq, h.message_id, h.floor
    FROM input
    JOIN rooms_membership m ON m.room_id = input.key AND m.user_id = %s AND m.left_seq IS NULL
    JOIN rooms_head h ON h.room_id = m.room_id
    """,
    key="uuid",
)


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


def access_rooms(
    *, user_id: UUID, room_ids: Collection[UUID]
) -> tuple[dict[UUID, RoomPosition], dict[UUID, DomainError]]:
    """Returns the user's position in each room of which they are a member, and an error for each of the other rooms.

    At most two queries for any number of rooms; no transaction. The errors are those that `access_room` would raise.
    """
    rows = _POSITIONS.run(dict.fromkeys(room_ids, 0), user_id.hex)
    positions = {
        as_uuid(room_id): RoomPosition(joined_seq, read_id, Head(seq=seq, message_id=message_id, floor=floor))
        for room_id, joined_seq, read_id, seq, message_id, floor in rows
    }
    others = [room_id for room_id in room_ids if room_id not in positions]
    return positions, _refusals(others) if others else {}


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
