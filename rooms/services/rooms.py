"""Making and changing rooms."""

from uuid import UUID

import msgspec
from django.db import transaction

from accounts import models as accounts
from foundation.errors import Invalid
from rooms import log, models
from rooms.access import Permission, access_room, require_writable
from rooms.broadcast import broadcast
from rooms.models import Role
from rooms.notices import room_notice
from rooms.schema import Joined, Room, RoomDraft, RoomPatch
from rooms.selectors import joined_of, room_of
from rooms.services.admission import admit


def create_room(*, user_id: UUID, draft: RoomDraft) -> Joined:
    """Make a room owned by `user_id`, with `draft.members` in it. The log begins with their `member.joined`.

    Opens a transaction. Raises `Invalid` where a member is not an active user.
    """
    at = log.now()
    with transaction.atomic(durable=True):
        owner = accounts.User.objects.get(id=user_id)
        others = _active_users(draft.members, but=user_id)
        room = models.Room.objects.create(
            kind=draft.kind,
            name=draft.name,
            topic=draft.topic,
            avatar_url=draft.avatar_url,
            data=draft.data,
            created_at=at,
        )
        room.head = models.Head.objects.create(room=room)
        head = log.LockedHead(room_id=room.id, seq=0, message_id=0)
        memberships, notices = admit(head, room, [owner], by=owner, role=Role.OWNER, at=at)
        if others:
            notices += admit(head, room, others, by=owner, role=Role.MEMBER, at=at)[1]
        room.head.seq = head.seq
    broadcast(notices)
    return joined_of(memberships[0])


def update_room(*, user_id: UUID, room_id: UUID, patch: RoomPatch) -> Room:
    """Set what `patch` holds; one `room.updated` where anything changed.

    Opens a transaction. Raises what `access_room` raises, and `Archived` for settings of an archived room.
    """
    changes = {name: value for name, value in msgspec.structs.asdict(patch).items() if value is not msgspec.UNSET}
    at = log.now()
    with transaction.atomic(durable=True):
        head = log.lock_head(room_id)
        access = access_room(user_id=user_id, room_id=room_id)
        room = access.room
        archived = changes.pop("archived", None)
        if archived is not None:
            access.require(Permission.ARCHIVE)
            if archived != (room.archived_at is not None):
                changes["archived_at"] = at if archived else None
        settings = changes.keys() - {"archived_at"}
        if settings or archived is None:
            access.require(Permission.CHANGE_SETTINGS)
        if settings and archived is not False:
            require_writable(room)
        changes = {name: value for name, value in changes.items() if getattr(room, name) != value}
        if not changes:
            return room_of(room)
        for name, value in changes.items():
            setattr(room, name, value)
        room.save(update_fields=list(changes))
        entry = log.append_entries(head, [log.EntryDraft("room.updated", actor_id=user_id)], at=at)[0]
    broadcast([room_notice(entry, room)])
    return room_of(room)


def _active_users(user_ids: list[UUID], *, but: UUID) -> list[accounts.User]:
    found = accounts.User.objects.filter(is_active=True).in_bulk(user_ids)
    for place, user_id in enumerate(user_ids):
        if user_id not in found:
            raise Invalid("There is no such user.", field=f"members[{place}]")
    return [found[user_id] for user_id in dict.fromkeys(user_ids) if user_id != but]
