"""A change of a room, from the lock to the broadcast: the way in which rooms and their members change.

Read cursors move outside of it, because they are not part of the log.
"""

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
from rooms.schema import LockedHead, NewRoom


class Change:
    """Numbers and collects the entries of a change, and their notices, while the room's head is locked."""

    def __init__(self, room_id: UUID, head: LockedHead, *, at: datetime) -> None:
        self.room_id = room_id
        self.head = head
        self.at = at
        self.notices: list[Notice] = []
        self._entries: list[models.Entry] = []

    @property
    def next_seq(self) -> int:
        """The seq that the next call of `append` will give its entry."""
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
        """Appends an entry of `kind`, and its notice. `data` is the entry's subject as it will be after the commit.

        `actor_id` is the user who makes the change; `user_id` or `message_id` is the member or the message it is about.
        """
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

    def notify(self, user_id: UUID, version: int, event: Event) -> None:
        """Adds `event`, which is the change `version` of a user, to what is sent to their sockets after the commit."""
        self.notices.append(user_notice(user_id, version, event))

    def write(self) -> None:
        """Inserts the entries and moves the head: two queries, or none if nothing was appended."""
        if self._entries:
            log.write_entries(self.room_id, self._entries)

    def broadcast(self) -> None:
        """Broadcasts what was appended. Called after the commit."""
        if self.notices:
            broadcast(self.notices)


@contextmanager
def creating_room(new: NewRoom) -> Iterator[tuple[Change, models.Room]]:
    """Opens a durable transaction and creates a room with an empty log. Commits and broadcasts what is appended."""
    with transaction.atomic(durable=True):
        at = log.now()
        room = models.Room.objects.create(
            kind=new.kind,
            name=new.name,
            topic=new.topic,
            avatar_url=new.avatar_url,
            data=new.data,
            created_at=at,
        )
        room.head = models.Head.objects.create(room=room)
        change = Change(room.id, LockedHead(seq=0, message_id=0), at=at)
        yield change, room
        change.write()
        room.head.seq = change.head.seq
    change.broadcast()


@contextmanager
def locked_room(room_id: UUID) -> Iterator[Change]:
    """Opens a transaction, locks the room's head, takes the time and yields a `Change` to append to.

    On exit, writes what was appended, commits and broadcasts it; if the block raises, does none of this. One query
    before the block and at most two after it. The caller must check the user's authority inside the block:
    `changing_room` does so for members. Raises `NotFound` if the room does not exist.
    """
    with transaction.atomic(durable=True):
        head = log.lock_head(room_id)
        change = Change(room_id, head, at=log.now())  # after the lock, so that times follow the order of the log
        yield change
        change.write()
    change.broadcast()


@contextmanager
def changing_room(
    room_id: UUID, *, user_id: UUID, permission: Permission = Permission.READ
) -> Iterator[tuple[Change, Access]]:
    """Does what `locked_room` does, and yields also the user's `Access`, checked for `permission` after the lock.

    Checks it before the lock as well, so that a stranger takes none. Two queries more than `locked_room`. Raises what
    `access_room` raises.
    """
    access_room(user_id=user_id, room_id=room_id, permission=permission)
    with locked_room(room_id) as change:
        yield change, access_room(user_id=user_id, room_id=room_id, permission=permission)
