"""Creates and changes rooms."""

from datetime import datetime
from uuid import UUID

import msgspec

from accounts import models as accounts
from accounts.usage import Use
from foundation.errors import Invalid
from rooms.access import Access, require_writable
from rooms.change import changing_room, creating_room
from rooms.consent import Newcomer, require_consent
from rooms.events import RoomUpdated
from rooms.permissions import Permission, Role
from rooms.schema import Joined, NewRoom, Room, RoomPatch
from rooms.selectors import joined_of, room_of
from rooms.services.admission import add_memberships
from rooms.services.quotas import ROOMS_MADE


def create_room(*, user_id: UUID, new: NewRoom) -> Joined:
    """Creates a room whose owner is the user, adds `new.members`, and returns the room and the owner's membership.

    The log begins with a `member.joined` for each of them, the owner first. Opens a durable transaction, whose number
    of queries does not depend on the number of members. Raises `Invalid` if a member is not an active user, `Forbidden`
    if one does not let the user add them, and `LimitReached` or `RateLimited` if a quota is used up.
    """
    with creating_room(new) as (change, room):
        owner = accounts.User.objects.get(id=user_id)
        others = _newcomers(new.members, but=user_id)
        require_consent(others, by_id=user_id)
        uses = [Use(ROOMS_MADE, user_id)]
        membership, *_ = add_memberships(change, room, [Newcomer(owner, Role.OWNER), *others], by=owner, uses=uses)
    return joined_of(membership)


def update_room(*, user_id: UUID, room_id: UUID, patch: RoomPatch) -> Room:
    """Sets the fields that are given in `patch`, with one `room.updated` if anything changes, and returns the room.

    Opens a durable transaction. Raises `Archived` if the room is archived and `patch` has settings, unless it also
    unarchives the room, and what `access_room` raises.
    """
    with changing_room(room_id, user_id=user_id) as (change, access):
        room = access.room
        changes = _changes(access, patch, at=change.at)
        changes = {name: value for name, value in changes.items() if getattr(room, name) != value}
        if changes:
            for name, value in changes.items():
                setattr(room, name, value)
            room.save(update_fields=list(changes))
            change.append(RoomUpdated, room_of(room), actor_id=user_id)
    return room_of(room)


def _changes(access: Access, patch: RoomPatch, *, at: datetime) -> dict[str, object]:
    """Returns the columns to set, with their values. Raises `Forbidden` and `Archived`."""
    settings = {name: value for name, value in msgspec.structs.asdict(patch).items() if value is not msgspec.UNSET}
    archived = settings.pop("archived", None)
    if archived is not None:
        access.require(Permission.ARCHIVE)
    if settings or archived is None:
        access.require(Permission.CHANGE_SETTINGS)
    if settings and archived is not False:
        require_writable(access.room)
    if archived is not None and archived != (access.room.archived_at is not None):
        settings["archived_at"] = at if archived else None
    return settings


def _newcomers(user_ids: list[UUID], *, but: UUID) -> list[Newcomer]:
    """Returns the users with these ids, each once, without the one who creates the room. Raises `Invalid`."""
    found = accounts.User.objects.filter(is_active=True).in_bulk(user_ids)
    newcomers: dict[UUID, Newcomer] = {}
    for position, user_id in enumerate(user_ids):
        field = f"members[{position}]"
        if user_id not in found:
            raise Invalid("There is no such user.", field=field)
        newcomers.setdefault(user_id, Newcomer(found[user_id], Role.MEMBER, field))
    return [newcomer for user_id, newcomer in newcomers.items() if user_id != but]
