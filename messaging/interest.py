"""What a hub has followers for. Pure."""

from uuid import UUID


class Interest:
    """What the hub has followers for; told to whoever brings it news. This one is told in vain."""

    def room_followed(self, room_id: UUID) -> None:
        """The first follower of a room came."""

    def room_left(self, room_id: UUID) -> None:
        """The last one went."""

    def user_came(self, user_id: UUID) -> None:
        """The first socket of a user came."""

    def user_went(self, user_id: UUID) -> None:
        """The last one went."""

    def sessions_changed(self, user_id: UUID) -> None:
        """A user's sockets are to be looked at."""
