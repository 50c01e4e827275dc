"""The writer: natural group commit. While one batch is appended, the next sends pile up and then go together. Pure.

There is no timer, so an idle server answers at once. The append is passed in.
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

BUSY_PAUSE_S = 0.05
# Turns of the loop in which the pile may grow before a batch is taken.
MAX_TURNS = 16

log = structlog.get_logger(__name__)


class Appended(NamedTuple):
    """A verdict for each submission, in their order, and the notices to broadcast."""

    verdicts: list[Verdict]
    notices: list[Notice]


class Item(msgspec.Struct, frozen=True):
    submission: Submission
    settle: Callable[[Verdict], None]
    deadline: float  # of the loop's clock


class Writer:
    """Passes batches to `append`, one at a time, in the order in which they came; then answers and broadcasts."""

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
        self._pile: deque[Item] = deque()
        self._set_aside: dict[UUID, float] = {}  # rooms that were busy, and until when they are skipped
        self._task: asyncio.Task[None] | None = None

    def submit(self, submission: Submission, settle: Callable[[Verdict], None]) -> None:
        """Adds `submission` to the pile. Calls `settle` with its verdict before anything of it is broadcast.

        Raises `Overloaded` if the pile is full.
        """
        if len(self._pile) >= self._limits.writer_backlog:
            raise Overloaded(retry_after=1)
        self._pile.append(Item(submission, settle, self._loop.time() + self._limits.writer_patience_s))
        if self._task is None:
            self._task = self._loop.create_task(self._work())

    async def drain(self) -> None:
        """Waits until everything on the pile has its verdict."""
        while self._task is not None:
            await asyncio.wait([self._task])

    async def _work(self) -> None:
        try:
            while self._pile:
                await self._gather()
                batch = self._next_batch()
                if not batch:
                    await asyncio.sleep(BUSY_PAUSE_S)
                    continue
                verdicts, notices = await self._try(batch)
                busy = [item for item, verdict in zip(batch, verdicts, strict=True) if self._settle(item, verdict)]
                self._pile.extendleft(reversed(busy))
                self._set_aside |= {item.submission.room_id: self._loop.time() + BUSY_PAUSE_S for item in busy}
                self._broadcast(notices)
        finally:
            self._task = None

    async def _gather(self) -> None:
        """Lets the pile grow as long as each turn of the loop brings more: what came together goes together.

        A broadcast costs one write for each follower, however many messages it carries.
        """
        size = 0
        for _ in range(MAX_TURNS):
            if size == len(self._pile) or size >= self._limits.writer_batch:
                return
            size = len(self._pile)
            await asyncio.sleep(0)

    def _next_batch(self) -> list[Item]:
        """Takes the oldest items, except those of rooms that are set aside, which keep their place and their order."""
        now = self._loop.time()
        self._set_aside = {room_id: until for room_id, until in self._set_aside.items() if until > now}
        size = min(len(self._pile), self._limits.writer_batch)
        if not self._set_aside:
            return [self._pile.popleft() for _ in range(size)]
        batch: list[Item] = []
        kept: deque[Item] = deque()
        while self._pile and len(batch) < size:
            item = self._pile.popleft()
            (kept if item.submission.room_id in self._set_aside else batch).append(item)
        self._pile.extendleft(reversed(kept))
        return batch

    async def _try(self, batch: list[Item]) -> Appended:
        submissions = [item.submission for item in batch]
        try:
            appended = await self._append(submissions)
            if len(appended.verdicts) == len(submissions):
                return appended
            log.error("append lost count", submissions=len(submissions), verdicts=len(appended.verdicts))
        except Exception:
            log.exception("append failed", submissions=len(submissions))
        return Appended([Unavailable(retry_after=1) for _ in submissions], [])

    def _settle(self, item: Item, verdict: Verdict) -> bool:
        """Gives `item` its verdict. Returns True if its room was busy and there is time for another try."""
        if isinstance(verdict, Busy) and self._loop.time() < item.deadline:
            return True
        try:
            item.settle(verdict)
        except Exception:
            log.exception("verdict could not be delivered")
        return False
