"""Appends batches of submissions to the logs of their rooms. The writer passes many at once, REST passes one."""

from collections.abc import Callable, Sequence, Set
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import structlog
from django.db import DatabaseError, DataError, IntegrityError, InterfaceError, connection

from foundation.errors import Internal, Unavailable
from foundation.outage import OUTAGES, is_lock_timeout
from foundation.schema import Timestamp, timestamp
from messaging.append.decide import Accepted, Busy, Decision, State, decide
from messaging.append.store import DatabaseStore
from messaging.append.submissions import Submission, shown_client_id
from messaging.append.writer import Appended
from messaging.wire.events import message_created
from messaging.wire.shapes import Message, sender_of
from rooms import log as room_log
from rooms.notices import Notice, RoomHint
from rooms.schema import LockedHead

ATTEMPTS = 4  # to append a batch, if the connection to the database is lost each time

log = structlog.get_logger(__name__)


class Store(Protocol):
    """The database operations of an append. `DatabaseStore` describes them."""

    def transaction(self) -> AbstractContextManager[Any]: ...
    def lock_heads(
        self, room_ids: Set[UUID], *, skip_locked: bool
    ) -> tuple[dict[UUID, LockedHead], frozenset[UUID]]: ...
    def read_state(
        self,
        submissions: Sequence[Submission],
        *,
        heads: dict[UUID, LockedHead],
        busy: frozenset[UUID],
        at: datetime,
    ) -> State: ...
    def write(self, state: State, decision: Decision) -> None: ...


class Appender:
    """Appends batches of submissions. It may be used from several threads.

    It remembers the rooms whose heads were locked for too long, so that the next batch does not wait for them.
    """

    def __init__(self, store: Store | None = None, *, now: Callable[[], datetime] = room_log.now) -> None:
        self._store = store or DatabaseStore()
        self._now = now
        # Rooms whose locks timed out. Batches skip them, and do not wait, until their locks are free again.
        self._contended: frozenset[UUID] = frozenset()

    def append(self, submissions: Sequence[Submission]) -> Appended:
        """Appends, in one transaction, every submission that is not refused.

        Returns a verdict for each submission, in their order: `Sent`, or the `DomainError` to answer with. Every error
        except `Unavailable` means that the submission was certainly not committed. Also returns notices, which the
        caller must broadcast.

        Opens a durable transaction, with a fixed number of queries for any number of submissions. Authority is judged
        after the heads are locked. If the database refuses the batch because of a value, its halves are appended
        separately. Never raises a database error.
        """
        if not submissions:
            return Appended([], [])
        try:
            return self._try(submissions)
        except (DataError, IntegrityError) as error:
            if len(submissions) == 1:
                log.error("submission refused by the database", room=str(submissions[0].room_id), error=str(error))
                return Appended([Internal()], [])
        except (DatabaseError, InterfaceError) as error:
            log.error("append failed", submissions=len(submissions), error=str(error))
            return Appended([Unavailable(retry_after=1) for _ in submissions], [])
        # The database refused one of the submissions: halve the batch until it is alone.
        return self._append_halves(submissions)

    def _append_halves(self, submissions: Sequence[Submission]) -> Appended:
        """Appends the halves separately. A room that was busy in the first is not tried again, to keep its order."""
        first, rest = submissions[: len(submissions) // 2], submissions[len(submissions) // 2 :]
        done = self.append(first)
        busy = {
            submission.room_id
            for submission, verdict in zip(first, done.verdicts, strict=True)
            if isinstance(verdict, Busy)
        }
        then = self.append([submission for submission in rest if submission.room_id not in busy])
        judged = iter(then.verdicts)
        verdicts = [Busy(retry_after=1) if submission.room_id in busy else next(judged) for submission in rest]
        return Appended(done.verdicts + verdicts, done.notices + then.notices)

    def _try(self, submissions: Sequence[Submission]) -> Appended:
        """Commits once, with a new connection after each that was lost.

        If the connection is lost during COMMIT, the outcome is unknown. The same submissions are then appended again:
        the lock on the head waits until the lost transaction has ended, and the keys show what it committed. From then
        on, no room is skipped and nothing is `Busy`, because it may be in the log. Raises `DatabaseError` and
        `InterfaceError`.
        """
        lost = 0
        skip_locked = any(submission.room_id in self._contended for submission in submissions)
        while True:
            try:
                return self._commit(submissions, skip_locked=skip_locked)
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
                    return Appended([Busy(retry_after=1) for _ in submissions], [])
                else:
                    # Another transaction holds one of the heads. Skip it, so that the other rooms can continue.
                    skip_locked = True

    def _commit(self, submissions: Sequence[Submission], *, skip_locked: bool) -> Appended:
        room_ids = {submission.room_id for submission in submissions}
        with self._store.transaction():
            heads, busy = self._store.lock_heads(room_ids, skip_locked=skip_locked)
            self._contended = self._contended - heads.keys() | busy
            at = self._now()  # after the lock, so that times follow the order of the log
            state = self._store.read_state(submissions, heads=heads, busy=busy, at=at)
            decision = decide(state, submissions, at=at)
            self._store.write(state, decision)
        return Appended(decision.verdicts, _notices(decision))


def _notices(decision: Decision) -> list[Notice]:
    """Returns a notice for each new message, and a hint for each repeated one, which may never have been broadcast."""
    created_at = timestamp(decision.at)
    new: list[Notice] = [message_created(_new_message(accepted, created_at)) for accepted in decision.accepted]
    return new + [RoomHint(room_id=sent.room, seq=sent.seq) for sent in decision.repeated]


def _new_message(accepted: Accepted, created_at: Timestamp) -> Message:
    submission = accepted.submission
    return Message(
        room=submission.room_id,
        id=accepted.id,
        seq=accepted.seq,
        sender=sender_of(accepted.sender),
        text=submission.text,
        client_id=shown_client_id(submission.client_id),
        reply_to=submission.reply_to,
        data=submission.data,
        created_at=created_at,
    )
