"""The log of a room: the lock that puts its changes in order, the numbers, the bare entries."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from foundation.errors import NotFound
from rooms import models
from rooms.permissions import NO_ROOM
from rooms.schema import LockedHead


def now() -> datetime:
    """Returns the present time in UTC, cut to the milliseconds that the wire shows."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def lock_head(room_id: UUID) -> LockedHead:
    """Locks the head of a room until the transaction ends. One query. Raises `NotFound`.

    Call it inside a transaction before anything else is locked or judged: what is read after it is as it stands at
    this very place in the log. On SQLite `BEGIN IMMEDIATE` has locked the database already.
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
    """Inserts numbered entries and moves the head to the last. Call it inside the transaction that locked the head."""
    models.Entry.objects.bulk_create(entries)
    models.Head.objects.filter(room_id=room_id).update(seq=entries[-1].seq)
