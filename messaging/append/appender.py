"""The one function that appends messages. It takes a list: the writer hands it many, REST hands it one."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import structlog
from django.db import DatabaseError, DataError, IntegrityError, InterfaceError, connection

from foundation.errors import Internal, Unavailable
from foundation.outage import OUTAGES, is_lock_timeout
from foundation.schema import Timestamp, timestamp
from messaging.append.decide import Busy, Decision, Row, State, decide
from messaging.append.store import DatabaseStore
from messaging.append.submissions import Draft, shown_client_id
from messaging.append.writer import Appended
from messaging.wire.events import message_created
from messaging.wire.shapes import Message, sender_of
from rooms import log as room_log
from rooms.events import Notice, RoomHint

ATTEMPTS = 4  # at a commit whose outcome is not known, or a connection that was lost before it

log = structlog.get_logger(__name__)


class Store(Protocol):
    """What an append needs of a database."""

    def transaction(self) -> AbstractContextManager[Any]: ...
    def read_state(self, drafts: Sequence[Draft], *, at: datetime, skip_locked: bool) -> State: ...
    def write(self, state: State, decision: Decision) -> None: ...


class Appender:
    """Appends batches of drafts to the logs of their rooms; see `append`."""

    def __init__(self, store: Store | None = None, *, now: Callable[[], datetime] = room_log.now) -> None:
        self._store = store or DatabaseStore()
        self._now = now
        # Rooms whose heads others held for long: not waited for again, while it lasts.
        self._contended: frozenset[UUID] = frozenset()

    def append(self, drafts: Sequence[Draft]) -> Appended:
        """Append what may be appended, in one transaction; what there is to tell of it is the caller's to broadcast.

        Returns a verdict for each draft, in their order: `Sent`, or the `DomainError` to answer with. `Busy` and
        every other refusal but `Unavailable` mean surely not committed. What is judged is judged after the heads
        are locked, at the very place in the log. Opens a durable transaction; never raises for what a draft holds.
        """
        if not drafts:
            return Appended([], [])
        try:
            return self._try(drafts)
        except (DataError, IntegrityError) as error:
            if len(drafts) == 1:
                log.error("draft refused by the database", room=str(drafts[0].room_id), error=str(error))
                return Appended([Internal()], [])
        except (DatabaseError, InterfaceError) as error:
            log.error("append failed", drafts=len(drafts), error=str(error))
            return Appended([Unavailable(retry_after=1) for _ in drafts], [])
        # One draft spoils the batch: halve it until it stands alone.
        return self._append_halves(drafts)

    def _append_halves(self, drafts: Sequence[Draft]) -> Appended:
        """Append each half by itself. What is of a room that was busy for the first half is called busy, untried."""
        first, rest = drafts[: len(drafts) // 2], drafts[len(drafts) // 2 :]
        done = self.append(first)
        busy = {draft.room_id for draft, verdict in zip(first, done.verdicts, strict=True) if isinstance(verdict, Busy)}
        then = self.append([draft for draft in rest if draft.room_id not in busy])
        judged = iter(then.verdicts)
        verdicts = [Busy(retry_after=1) if draft.room_id in busy else next(judged) for draft in rest]
        return Appended(done.verdicts + verdicts, done.notices + then.notices)

    def _try(self, drafts: Sequence[Draft]) -> Appended:
        """Commit once, over as many connections as it takes.

        A connection that is lost inside COMMIT leaves the outcome unknown. The same drafts are appended again: the
        head's lock waits for the lost transaction to end, then their keys tell which were committed. From then on
        nothing may be skipped, and nothing is called `Busy`: it may be there. Raises `DatabaseError`.
        """
        lost = 0
        skip_locked = any(draft.room_id in self._contended for draft in drafts)
        while True:
            try:
                return self._commit(drafts, skip_locked=skip_locked)
            except OUTAGES as error:
                if not is_lock_timeout(error):
                    lost += 1
                    if lost == ATTEMPTS:
                        raise
                    log.warning("append again", attempt=lost, error=str(error))
                    connection.close()
                    skip_locked = False
                elif lost:
                    raise
                elif skip_locked or connection.vendor == "sqlite":
                    return Appended([Busy(retry_after=1) for _ in drafts], [])
                else:
                    # Somebody holds one of the heads for long: let the other rooms go on.
                    skip_locked = True

    def _commit(self, drafts: Sequence[Draft], *, skip_locked: bool) -> Appended:
        at = self._now()
        with self._store.transaction():
            state = self._store.read_state(drafts, at=at, skip_locked=skip_locked)
            self._contended = self._contended - state.heads.keys() | state.busy
            decision = decide(state, drafts, at=at)
            self._store.write(state, decision)
        return Appended(decision.verdicts, _notices(decision))


def _notices(decision: Decision) -> list[Notice]:
    """The new messages; and a hint for each that was there already, for it may be the first that is heard of it."""
    created_at = timestamp(decision.at)
    new: list[Notice] = [message_created(_message_of(row, created_at)) for row in decision.rows]
    return new + [RoomHint(room_id=sent.room, seq=sent.seq) for sent in decision.repeated]


def _message_of(row: Row, created_at: Timestamp) -> Message:
    draft = row.draft
    return Message(
        room=draft.room_id,
        id=row.id,
        seq=row.seq,
        sender=sender_of(row.sender),
        text=draft.text,
        client_id=shown_client_id(draft.client_id),
        reply_to=draft.reply_to,
        data=draft.data,
        created_at=created_at,
    )
