"""Appends messages to the logs of their rooms, in lists: the writer passes many at once, REST passes one."""

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

ATTEMPTS = 4  # at a commit whose outcome is unknown, or after a connection was lost before it

log = structlog.get_logger(__name__)


class Store(Protocol):
    """The database as an append needs it. See `DatabaseStore`."""

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
    """Appends batches of submissions. May be called from several threads; remembers which rooms are contended."""

    def __init__(self, store: Store | None = None, *, now: Callable[[], datetime] = room_log.now) -> None:
        self._store = store or DatabaseStore()
        self._now = now
        # Rooms whose heads others held for too long. As long as that lasts they are skipped, not waited for.
        self._contended: frozenset[UUID] = frozenset()

    def append(self, submissions: Sequence[Submission]) -> Appended:
        """Appends, in one transaction, every submission that may be appended.

        Returns a verdict for each submission, in their order: `Sent`, or the `DomainError` to answer with. `Busy` and
        every other refusal except `Unavailable` mean that it was certainly not committed. Returns also the notices,
        which the caller must broadcast. Authority is judged after the heads are locked, at the very place in the log.
        Opens a durable transaction; never raises because of what a submission holds.
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
        # One submission spoils the batch: halve it until that one stands alone.
        return self._append_halves(submissions)

    def _append_halves(self, submissions: Sequence[Submission]) -> Appended:
        """Appends each half by itself. A room that was busy in the first half is busy in the second, without a try."""
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
        """Commits once, over as many connections as it takes.

        If a connection is lost inside COMMIT, the outcome is unknown. The same submissions are then appended again:
        the lock on the head waits for the lost transaction to end, and the keys tell which were committed. From then
        on no room may be skipped and nothing may be called `Busy`, because it may be in the log. Raises
        `DatabaseError`.
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
                    # Another transaction holds one of the heads: let the other rooms go on.
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
    """The new messages, and a hint for each repeated one: its first commit may have been lost before its broadcast."""
    created_at = timestamp(decision.at)
    new: list[Notice] = [message_created(_message_of(accepted, created_at)) for accepted in decision.accepted]
    return new + [RoomHint(room_id=sent.room, seq=sent.seq) for sent in decision.repeated]


def _message_of(accepted: Accepted, created_at: Timestamp) -> Message:
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
