"""One change of a room, from the lock to the broadcast: the one way in which rooms and members change."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from django.db import transaction

from rooms import log, models
from rooms.access import Access, access_room
from rooms.broadcast import broadcast
from rooms.events import Data, Event, LogEvent
from rooms.notices import Notice, render_entry, user_notice
from rooms.permissions import Permission
from rooms.schema import LockedHead


class Change:
    """Collects the entries and notices of a change while the room's head is locked."""

    def __init__(self, room_id: UUID, head: LockedHead, *, at: datetime) -> None:
        self.room_id = room_id
        self.head = head
        self.at = at
        self.notices: list[Notice] = []
        self._entries: list[models.Entry] = []

    @property
    def next_seq(self) -> int:
        """The seq of the entry that is appended next."""
        return self.head.seq + 1

    def append(
        self,
        kind: type[LogEvent[Data]],
        data: Data,
        *,
        actor_id: UUID,
        user_id: UUID | None = None,
        message_id: int | None = None,
    ) -> None:
        """Numbers an entry about a user or a message, and renders it with `data`: its subject after the commit."""
        self.head.seq += 1
        seq = self.head.seq
        self._entries.append(
            models.Entry(
                room_id=self.room_id,
                seq=seq,
                kind=kind.name(),
                actor_id=actor_id,
                user_id=user_id,
                message_id=message_id,
                at=self.at,
            )
        )
        self.notices.append(
            render_entry(
                kind,
                room_id=self.room_id,
                seq=seq,
                at=self.at,
                actor_id=actor_id,
                data=data,
                user_id=user_id,
                message_id=message_id,
            )
        )

    def notify(self, user_id: UUID, event: Event) -> None:
        """Sends `event` to the user's own sockets after the commit."""
        self.notices.append(user_notice(user_id, event))

    def write(self) -> None:
        """Inserts the entries and moves the head."""
        if self._entries:
            log.write_entries(self.room_id, self._entries)


@contextmanager
def locked_room(room_id: UUID) -> Iterator[Change]:
    """Opens a transaction, locks the room's head, takes the time; then commits and broadcasts what was appended.

    Authority is the caller's to judge: use `changing_room` if the user must be a member. Raises `NotFound`.
    """
    with transaction.atomic(durable=True):
        head = log.lock_head(room_id)
        change = Change(room_id, head, at=log.now())  # after the lock, so that times follow the order of the log
        yield change
        change.write()
    broadcast(change.notices)


@contextmanager
def changing_room(
    room_id: UUID, *, user_id: UUID, permission: Permission = Permission.READ
) -> Iterator[tuple[Change, Access]]:
    """As `locked_room`, for a member who may do `permission`, judged after the lock.

    Raises what `access_room` raises.
    """
    with locked_room(room_id) as change:
        yield change, access_room(user_id=user_id, room_id=room_id, permission=permission)
