"""The only door from a user to a room: what each role may do, and the reading of it."""

from enum import Enum
from uuid import UUID

import msgspec

from foundation.errors import Forbidden, NotFound
from rooms import models
from rooms.errors import Archived, NotAMember
from rooms.models import Role


class Permission(Enum):
    """What can be done in a room, and the least role that may do it."""

    READ = "read messages and members", Role.MEMBER
    SEND = "send messages", Role.MEMBER
    REMOVE_MEMBERS = "remove members of a lower role", Role.MODERATOR
    MUTE_MEMBERS = "mute members of a lower role", Role.MODERATOR
    ADD_MEMBERS = "add members", Role.ADMIN
    CHANGE_ROLES = "give roles below one's own to members of a lower role", Role.ADMIN
    CHANGE_SETTINGS = "change name, topic, picture and custom data", Role.ADMIN
    ARCHIVE = "archive and unarchive", Role.OWNER
    HAND_OVER = "make admins and owners", Role.OWNER

    @property
    def purpose(self) -> str:
        return self.value[0]

    @property
    def role(self) -> Role:
        return self.value[1]


class Access(msgspec.Struct, frozen=True):
    """A room and the membership through which it was reached."""

    room: models.Room
    membership: models.Membership

    def require(self, permission: Permission) -> None:
        """Raises `Forbidden` where the member's role is too low."""
        if self.membership.role < permission.role:
            raise Forbidden(f"To {permission.purpose} one must be {permission.role.label.lower()} or higher.")


def require_writable(room: models.Room) -> None:
    """Raises `Archived`."""
    if room.archived_at is not None:
        raise Archived


def access_room(*, user_id: UUID, room_id: UUID, permission: Permission = Permission.READ) -> Access:
    """The room, as a member who may do `permission` reaches it. One query, no transaction.

    To be judged at a place in the log, call it after `log.lock_head`. Raises `NotFound` for a room that is not
    there or private to others, `NotAMember` for a public one, `Forbidden` where the role is too low.
    """
    membership = (
        models.Membership.objects.select_related("room", "user", "room__head")
        .filter(room_id=room_id, user_id=user_id, left_seq__isnull=True)
        .first()
    )
    if membership is None:
        if models.Room.objects.filter(id=room_id, kind="public").exists():
            raise NotAMember
        raise NotFound("There is no such room.")
    access = Access(room=membership.room, membership=membership)
    access.require(permission)
    return access
