"""The writer: natural group commit. While one batch is being appended the next piles up; no timer, no waiting when
idle. Pure: the append and the threads to run it on are passed in.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from uuid import UUID

import msgspec
import structlog

from accounts.errors import Overloaded, Unavailable
from messaging.decide import Busy, Verdict
from messaging.drafts import Draft
from messaging.limits import Limits

BUSY_PAUSE_S = 0.05

log = structlog.get_logger(__name__)


class Item(msgspec.Struct, frozen=True, gc=False):
    draft: Draft
    verdict: "asyncio.Future[Verdict]"
    deadline: float  # of the loop's clock


class Writer:
    """Hands piles of drafts to `append`, one pile at a time, in the order they came."""

    def __init__(
        self,
        *,
        append: Callable[[Sequence[Draft]], list[Verdict]],
        executor: Executor,
        loop: asyncio.AbstractEventLoop,
        limits: Limits,
    ) -> None:
        self._append = append
        self._executor = executor
        self._loop = loop
        self._limits = limits
        self._pile: deque[Item] = deque()
        self._set_aside: dict[UUID, float] = {}  # rooms that were busy, and until when they are left alone
        self._task: asyncio.Task[None] | None = None

    def submit(self, draft: Draft) -> "asyncio.Future[Verdict]":
        """Put `draft` on the pile. Its verdict comes once it is committed or refused; the future never fails.

        Raises `Overloaded` where the pile is at its bound.
        """
        if len(self._pile) >= self._limits.writer_backlog:
            raise Overloaded(retry_after=1)
        verdict: asyncio.Future[Verdict] = self._loop.create_future()
        self._pile.append(Item(draft, verdict, self._loop.time() + self._limits.writer_patience_s))
        if self._task is None:
            self._task = self._loop.create_task(self._work())
        return verdict

    async def drain(self) -> None:
        """Wait until everything on the pile has its verdict."""
        while self._task is not None:
            await asyncio.wait([self._task])

    async def _work(self) -> None:
        try:
            while self._pile:
                batch = self._next_batch()
                if not batch:
                    await asyncio.sleep(BUSY_PAUSE_S)
                    continue
                verdicts = await self._try(batch)
                busy = [item for item, verdict in zip(batch, verdicts, strict=True) if self._settle(item, verdict)]
                self._pile.extendleft(reversed(busy))
                self._set_aside |= {item.draft.room_id: self._loop.time() + BUSY_PAUSE_S for item in busy}
        finally:
            self._task = None

    def _next_batch(self) -> list[Item]:
        """The oldest items, but of rooms that are set aside: those keep their place, and with it their order."""
        now = self._loop.time()
        self._set_aside = {room_id: until for room_id, until in self._set_aside.items() if until > now}
        size = min(len(self._pile), self._limits.writer_batch)
        if not self._set_aside:
            return [self._pile.popleft() for _ in range(size)]
        batch: list[Item] = []
        kept: deque[Item] = deque()
        while self._pile and len(batch) < size:
            item = self._pile.popleft()
            (kept if item.draft.room_id in self._set_aside else batch).append(item)
        self._pile.extendleft(reversed(kept))
        return batch

    async def _try(self, batch: list[Item]) -> list[Verdict]:
        drafts = [item.draft for item in batch]
        try:
            verdicts = await self._loop.run_in_executor(self._executor, self._append, drafts)
            if len(verdicts) == len(drafts):
                return verdicts
            log.error("append lost count", drafts=len(drafts), verdicts=len(verdicts))
        except Exception:
            log.exception("append failed", drafts=len(drafts))
        return [Unavailable(retry_after=1) for _ in drafts]

    def _settle(self, item: Item, verdict: Verdict) -> bool:
        """Give `item` its verdict; true where it was not its turn yet and there is time for another try."""
        if isinstance(verdict, Busy) and self._loop.time() < item.deadline:
            return True
        if not item.verdict.done():
            item.verdict.set_result(verdict)
        return False
