"""Who may do what in a room: one table, read by `access_room` and by the judgement of a batch. Pure."""

from enum import Enum, IntEnum

from foundation.errors import DomainError, Forbidden, NotFound
from rooms.errors import NotAMember

NO_ROOM = "There is no such room."


class Role(IntEnum):
    """The role of a member. A higher role may do everything that a lower one may."""

    MEMBER = 10
    MODERATOR = 20
    ADMIN = 30
    OWNER = 40


class Permission(Enum):
    """What can be done in a room, and the lowest role that may do it."""

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

    def refusal(self, role: int) -> Forbidden | None:
        """Returns the error for a member whose role is too low, or None if the member may do this."""
        if role >= self.role:
            return None
        return Forbidden(f"To {self.purpose} one must be {self.role.name.lower()} or higher.")


def refusal_of_stranger(*, is_public: bool, field: str | None = None) -> DomainError:
    """Returns the error for a user who is not a member of a room.

    A private room and a room that does not exist get the same error, so that nobody can find out which it is.
    """
    return NotAMember() if is_public else NotFound(NO_ROOM, field=field)
