"""What each role may do in a room: one table, used by `access_room` and by the append. Pure."""

from enum import Enum, IntEnum

from foundation.errors import DomainError, Forbidden, NotFound
from rooms.errors import NotAMember

NO_ROOM = "There is no such room."


class Role(IntEnum):
    """The role of a member. A role includes everything that a lower role may do."""

    MEMBER = 10
    MODERATOR = 20
    ADMIN = 30
    OWNER = 40


class Permission(Enum):
    """Something that a member may do, as a verb phrase, and the lowest role that may do it."""

    READ = "read messages and members", Role.MEMBER
    SEND = "send messages", Role.MEMBER
    REMOVE_MEMBERS = "remove members of a lower role", Role.MODERATOR
    MUTE_MEMBERS = "mute and unmute members of a lower role", Role.MODERATOR
    ADD_MEMBERS = "add members", Role.ADMIN
    CHANGE_ROLES = "grant and revoke the role of moderator", Role.ADMIN
    CHANGE_SETTINGS = "change the name, topic, picture and custom data", Role.ADMIN
    ARCHIVE = "archive and unarchive the room", Role.OWNER
    HAND_OVER = "grant and revoke the roles of admin and owner", Role.OWNER

    @property
    def purpose(self) -> str:
        return self.value[0]

    @property
    def role(self) -> Role:
        return self.value[1]

    def refusal(self, role: int) -> Forbidden | None:
        """Returns the error for a member whose role is too low, or None if the role suffices."""
        if role >= self.role:
            return None
        return Forbidden(f"To {self.purpose}, you need at least the role of {self.role.name.lower()}.")


def refusal_of_stranger(*, is_public: bool, field: str | None = None) -> DomainError:
    """Returns the error for a user who is not a member of a room.

    The error for a private room is the one for a room that does not exist, so that it does not reveal the room.
    """
    return NotAMember() if is_public else NotFound(NO_ROOM, field=field)
