"""Natural batching: what arrives while a batch is under way forms the next one. Pure.

There is no timer, so an idle server begins at once. The function that does the work of a batch is passed in.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from statistics import median
from typing import Generic, NamedTuple, TypeVar

from foundation.errors import DomainError

Item = TypeVar("Item")
Result = TypeVar("Result")

RunMany = Callable[[Sequence[Item]], Awaitable[Sequence[Result | Exception]]]

MEASURED = 9  # full batches whose durations are remembered
MEASURED_AT_LEAST = 3  # before they say how long a full batch takes


class Gone(Exception):
    """Nobody waits for the result any more."""


class _Waiting(NamedTuple, Generic[Item, Result]):
    item: Item
    size: int
    result: "asyncio.Future[Result]"
    is_gone: Callable[[], bool]


class Batcher(Generic[Item, Result]):
    """Passes items to `run_many` in batches, one at a time, in the order in which they arrived.

    `run_many` returns an outcome for each item, in their order: its result, or an exception that its caller gets. If
    it raises a `DomainError`, such as `Unavailable`, all callers of the batch get that. If it raises anything else, the
    batch is halved until the items that it cannot take are alone. A batch has a size of at most `max_size`, unless it
    is a single item; `size_of` returns the size of an item, by default 1. Use it only on `loop`.
    """

    def __init__(
        self,
        run_many: RunMany[Item, Result],
        *,
        loop: asyncio.AbstractEventLoop,
        max_size: int,
        size_of: Callable[[Item], int] = lambda _: 1,
    ) -> None:
        self._run_many = run_many
        self._loop = loop
        self._max_size = max_size
        self._size_of = size_of
        self._waiting: deque[_Waiting[Item, Result]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._began = 0.0  # the present batch, in the loop's time
        self._durations_s: deque[float] = deque(maxlen=MEASURED)  # of full batches
        self._full_batch_s: float | None = None  # their median: one batch may have waited for a busy loop

    async def run(self, item: Item, *, is_gone: Callable[[], bool] = lambda: False) -> Result:
        """Returns the result of `item`, or raises its exception.

        If this is cancelled, or `is_gone` returns true, before the item's batch begins, the item is left out of it. The
        latter raises `Gone`.
        """
        result: asyncio.Future[Result] = self._loop.create_future()
        self._waiting.append(_Waiting(item, self._size_of(item), result, is_gone))
        if self._task is None:
            self._began = self._loop.time()  # it begins in the next turn of the loop
            self._task = self._loop.create_task(self._work())
        return await result

    async def close(self) -> None:
        """Cancels the batch that is under way, and all that wait."""
        for waiting in self._waiting:
            waiting.result.cancel()
        self._waiting.clear()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    @property
    def waiting(self) -> int:
        """How many items wait for their batch."""
        return len(self._waiting)

    @property
    def wait_s(self) -> float:
        """How long an item that arrived now would wait for its result, as far as measured. All must have the size 1."""
        if self._task is None:
            return 0.0
        batch_s = self._full_batch_s or 0.0
        late_s = max(0.0, self._loop.time() - self._began - batch_s)
        return batch_s * (len(self._waiting) // self._max_size + 1) + late_s

    @property
    def per_s(self) -> float | None:
        """How much is done in a second while more waits than one batch takes. None if that was never measured."""
        return self._max_size / self._full_batch_s if self._full_batch_s else None

    async def _work(self) -> None:
        batch: list[_Waiting[Item, Result]] = []
        try:
            while batch := self._next_batch():
                self._began = self._loop.time()
                is_full = bool(self._waiting)  # a batch that takes everything says little about how many would fit
                for waiting, outcome in zip(batch, await self._try([each.item for each in batch]), strict=True):
                    _settle(waiting.result, outcome)
                if is_full:
                    self._measure()
        finally:
            self._task = None
            for waiting in batch:  # none, unless this was cancelled
                waiting.result.cancel()

    def _next_batch(self) -> list[_Waiting[Item, Result]]:
        """Removes and returns the oldest items, without those that nobody waits for."""
        batch: list[_Waiting[Item, Result]] = []
        size = 0
        while self._waiting and (not batch or size + self._waiting[0].size <= self._max_size):
            waiting = self._waiting.popleft()
            if waiting.is_gone():
                _settle(waiting.result, Gone())
            elif not waiting.result.done():
                batch.append(waiting)
                size += waiting.size
        return batch

    async def _try(self, items: Sequence[Item]) -> Sequence[Result | Exception]:
        try:
            outcomes = await self._run_many(items)
            return [outcome for outcome, _ in zip(outcomes, items, strict=True)]
        except DomainError as error:
            return [error] * len(items)
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller of the item gets it
            if len(items) == 1:
                return [error]
        half = len(items) // 2
        return [*await self._try(items[:half]), *await self._try(items[half:])]

    def _measure(self) -> None:
        self._durations_s.append(self._loop.time() - self._began)
        if len(self._durations_s) >= MEASURED_AT_LEAST:
            self._full_batch_s = median(self._durations_s)


def _settle(future: "asyncio.Future[Result]", outcome: Result | Exception) -> None:
    if future.done():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
