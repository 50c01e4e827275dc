"""The writer: natural group commit. While one batch is being appended and told the next piles up; no waiting when idle.
Pure: the append is passed in.
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
from messaging.append.submissions import Draft
from messaging.wire.limits import Limits
from rooms.events import Notice

BUSY_PAUSE_S = 0.05
# Turns of the loop in which a pile may grow before it is taken.
MAX_TURNS = 16

log = structlog.get_logger(__name__)


class Appended(NamedTuple):
    """A verdict for each draft, in their order, and what there is to tell."""

    verdicts: list[Verdict]
    notices: list[Notice]


class Item(msgspec.Struct, frozen=True):
    draft: Draft
    settle: Callable[[Verdict], None]
    deadline: float  # of the loop's clock


class Writer:
    """Hands piles of drafts to `append`, one pile at a time, in the order they came; then settles and tells."""

    def __init__(
        self,
        *,
        append: Callable[[Sequence[Draft]], Awaitable[Appended]],
        tell: Callable[[Sequence[Notice]], None],
        loop: asyncio.AbstractEventLoop,
        limits: Limits,
    ) -> None:
        self._append = append
        self._tell = tell
        self._loop = loop
        self._limits = limits
        self._pile: deque[Item] = deque()
        self._set_aside: dict[UUID, float] = {}  # rooms that were busy, and until when they are left alone
        self._task: asyncio.Task[None] | None = None

    def submit(self, draft: Draft, settle: Callable[[Verdict], None]) -> None:
        """Put `draft` on the pile; `settle` hears its verdict once it is committed or refused, before others are told.

        Raises `Overloaded` where the pile is at its bound.
        """
        if len(self._pile) >= self._limits.writer_backlog:
            raise Overloaded(retry_after=1)
        self._pile.append(Item(draft, settle, self._loop.time() + self._limits.writer_patience_s))
        if self._task is None:
            self._task = self._loop.create_task(self._work())

    async def drain(self) -> None:
        """Wait until everything on the pile has its verdict."""
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
                self._set_aside |= {item.draft.room_id: self._loop.time() + BUSY_PAUSE_S for item in busy}
                self._tell(notices)
        finally:
            self._task = None

    async def _gather(self) -> None:
        """Let the pile grow for as long as each turn of the loop brings more: what came together goes together.

        To tell a room costs a write for each follower, however many messages it carries.
        """
        size = 0
        for _ in range(MAX_TURNS):
            if size == len(self._pile) or size >= self._limits.writer_batch:
                return
            size = len(self._pile)
            await asyncio.sleep(0)

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

    async def _try(self, batch: list[Item]) -> Appended:
        drafts = [item.draft for item in batch]
        try:
            appended = await self._append(drafts)
            if len(appended.verdicts) == len(drafts):
                return appended
            log.error("append lost count", drafts=len(drafts), verdicts=len(appended.verdicts))
        except Exception:
            log.exception("append failed", drafts=len(drafts))
        return Appended([Unavailable(retry_after=1) for _ in drafts], [])

    def _settle(self, item: Item, verdict: Verdict) -> bool:
        """Give `item` its verdict; true where it was not its turn yet and there is time for another try."""
        if isinstance(verdict, Busy) and self._loop.time() < item.deadline:
            return True
        try:
            item.settle(verdict)
        except Exception:
            log.exception("verdict could not be told")
        return False
