"""The log of a room: the lock that orders its changes, the numbers, the bare entries."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from foundation.errors import NotFound
from rooms import models


class LockedHead(msgspec.Struct):
    """Where a locked room's log ends; moves as entries are numbered."""

    room_id: UUID
    seq: int
    message_id: int


class EntryDraft(msgspec.Struct, frozen=True):
    """A change about to be numbered: its kind, who did it, and the message or the user it is about."""

    kind: str
    actor_id: UUID
    message_id: int | None = None
    user_id: UUID | None = None


def now() -> datetime:
    """The present, cut to the milliseconds that the wire shows."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def lock_heads(room_ids: Collection[UUID], *, skip_locked: bool = False) -> dict[UUID, LockedHead]:
    """Lock the heads of `room_ids` in sorted order until the transaction ends; rooms that are not there are left out.

    To be called inside a transaction, before anything else is locked or judged: what is read after it is as it
    stands at this very place of the log. One query. On SQLite `BEGIN IMMEDIATE` has locked already.
    """
    rows = (
        models.Head.objects.select_for_update(no_key=True, skip_locked=skip_locked)
        .filter(room_id__in=sorted(room_ids))
        .order_by("room_id")
        .values_list("room_id", "seq", "message_id")
    )
    return {row[0]: LockedHead(*row) for row in rows}


def lock_head(room_id: UUID) -> LockedHead:
    """Lock one head. Raises `NotFound`."""
    head = lock_heads([room_id]).get(room_id)
    if head is None:
        raise NotFound("There is no such room.")
    return head


def append_entries(head: LockedHead, drafts: Sequence[EntryDraft], *, at: datetime) -> list[models.Entry]:
    """Number `drafts` after `head`, insert them and move the head. Inside the transaction that locked it."""
    entries = [
        models.Entry(
            room_id=head.room_id,
            seq=head.seq + place,
            kind=draft.kind,
            actor_id=draft.actor_id,
            message_id=draft.message_id,
            user_id=draft.user_id,
            at=at,
        )
        for place, draft in enumerate(drafts, start=1)
    ]
    models.Entry.objects.bulk_create(entries)
    head.seq += len(entries)
    models.Head.objects.filter(room_id=head.room_id).update(seq=head.seq)
    return entries
