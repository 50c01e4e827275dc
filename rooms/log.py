"""The log of a room: the lock that orders its changes, and the writing of entries. Knows no permissions."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from foundation.errors import NotFound
from rooms import models
from rooms.permissions import NO_ROOM
from rooms.schema import LockedHead


def now() -> datetime:
    """Returns the current time in UTC, truncated to milliseconds, which is the precision of timestamps in JSON."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def lock_head(room_id: UUID) -> LockedHead:
    """Locks the head of a room until the end of the transaction, and returns it. One query.

    Call it inside a transaction, before locking or checking anything else: what you read afterwards is true at the
    position in the log that the next entry takes. On SQLite, `BEGIN IMMEDIATE` has already locked the database. Raises
    `NotFound` if the room does not exist.
    """
    row = (
        models.Head.objects.select_for_update(no_key=True)
        .filter(room_id=room_id)
        .values_list("seq", "message_id")
        .first()
    )
    if row is None:
        raise NotFound(NO_ROOM)
    return LockedHead(*row)


def write_entries(room_id: UUID, entries: Sequence[models.Entry]) -> None:
    """Inserts `entries`, which are numbered and not empty, and moves the head to the last of them. Two queries.

    Call it inside the transaction that locked the head.
    """
    models.Entry.objects.bulk_create(entries)
    models.Head.objects.filter(room_id=room_id).update(seq=entries[-1].seq)
