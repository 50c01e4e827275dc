"""The writer: natural group commit. Sends that arrive while a batch is appended form the next batch. Pure.

There is no timer, so an idle server answers at once. The function that appends is passed in.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple
from uuid import UUID

import msgspec
import structlog

from foundation.errors import Overloaded, Unavailable
from messaging.append.decide import Busy, Verdict
from messaging.append.submissions import Submission
from messaging.wire.limits import Limits
from rooms.notices import Notice

BUSY_PAUSE_S = 0.05  # for which the submissions of a busy room are set aside
MAX_TURNS = 16  # of the event loop, for which a batch waits for more submissions

log = structlog.get_logger(__name__)


class Appended(NamedTuple):
    """The result of an append: a verdict for each submission, in their order, and the notices to broadcast."""

    verdicts: list[Verdict]
    notices: list[Notice]


class Item(msgspec.Struct, frozen=True):
    """A submission in the backlog."""

    submission: Submission
    settle: Callable[[Verdict], None]
    deadline: float  # in the loop's time; until then it is retried while its room is busy


class Writer:
    """Collects submissions, passes them to `append` in batches, one at a time, then settles and broadcasts.

    Submissions of one room keep their order. Use it only on `loop`.
    """

    def __init__(
        self,
        *,
        append: Callable[[Sequence[Submission]], Awaitable[Appended]],
        broadcast: Callable[[Sequence[Notice]], None],
        loop: asyncio.AbstractEventLoop,
        limits: Limits,
    ) -> None:
        self._append = append
        self._broadcast = broadcast
        self._loop = loop
        self._limits = limits
        self._backlog: deque[Item] = deque()
        self._set_aside: dict[UUID, float] = {}  # busy rooms, and the time until which they are skipped
        self._task: asyncio.Task[None] | None = None

    def submit(self, submission: Submission, settle: Callable[[Verdict], None]) -> None:
        """Adds `submission` to the backlog, and returns. Later calls `settle` with its verdict, once.

        `settle` is called on the loop, after the commit and before the broadcast. It should not raise: that is logged.
        Raises `Overloaded`, and adds nothing, if the backlog is full.
        """
        if len(self._backlog) >= self._limits.writer_backlog:
            raise Overloaded(retry_after=1)
        self._backlog.append(Item(submission, settle, self._loop.time() + self._limits.writer_patience_s))
        if self._task is None:
            self._task = self._loop.create_task(self._work())

    async def drain(self) -> None:
        """Waits until every submission in the backlog has its verdict."""
        while self._task is not None:
            await asyncio.wait([self._task])

    async def _work(self) -> None:
        try:
            while self._backlog:
                await self._gather()
                batch = self._next_batch()
                if not batch:
                    await asyncio.sleep(BUSY_PAUSE_S)
                    continue
                verdicts, notices = await self._try(batch)
                busy = [item for item, verdict in zip(batch, verdicts, strict=True) if self._settle(item, verdict)]
                self._backlog.extendleft(reversed(busy))
                self._set_aside |= {item.submission.room_id: self._loop.time() + BUSY_PAUSE_S for item in busy}
                self._broadcast(notices)
        finally:
            self._task = None

    async def _gather(self) -> None:
        """Waits while each turn of the loop adds to the backlog, so that sends that arrive together form one batch.

        A broadcast costs one write for each follower, however many messages it has.
        """
        size = 0
        for _ in range(MAX_TURNS):
            if size == len(self._backlog) or size >= self._limits.writer_batch:
                return
            size = len(self._backlog)
            await asyncio.sleep(0)

    def _next_batch(self) -> list[Item]:
        """Removes and returns the oldest items, without those of rooms that are set aside, which keep their order."""
        now = self._loop.time()
        self._set_aside = {room_id: until for room_id, until in self._set_aside.items() if until > now}
        size = min(len(self._backlog), self._limits.writer_batch)
        if not self._set_aside:
            return [self._backlog.popleft() for _ in range(size)]
        batch: list[Item] = []
        kept: deque[Item] = deque()
        while self._backlog and len(batch) < size:
            item = self._backlog.popleft()
            (kept if item.submission.room_id in self._set_aside else batch).append(item)
        self._backlog.extendleft(reversed(kept))
        return batch

    async def _try(self, batch: list[Item]) -> Appended:
        submissions = [item.submission for item in batch]
        try:
            appended = await self._append(submissions)
            if len(appended.verdicts) == len(submissions):
                return appended
            log.error(
                "append returned a wrong number of verdicts",
                submissions=len(submissions),
                verdicts=len(appended.verdicts),
            )
        except Exception:
            log.exception("append failed", submissions=len(submissions))
        return Appended([Unavailable(retry_after=1) for _ in submissions], [])

    def _settle(self, item: Item, verdict: Verdict) -> bool:
        """Settles `item`, unless its room was busy and there is time to retry. Returns whether to retry."""
        if isinstance(verdict, Busy) and self._loop.time() < item.deadline:
            return True
        try:
            item.settle(verdict)
        except Exception:
            log.exception("verdict could not be delivered")
        return False
