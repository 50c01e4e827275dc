"""Turns at something that only a few may do at the same time, in fairness between users. Pure."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID


class Turns:
    """Admits `most` at a time. Users take turns, so that one who waits many times delays the others by one turn only.

    Used on one loop only.
    """

    def __init__(self, most: int) -> None:
        self._free = most
        self._waiting: OrderedDict[UUID, deque[asyncio.Future[None]]] = OrderedDict()  # the next user first

    @asynccontextmanager
    async def turn(self, user_id: UUID) -> AsyncIterator[None]:
        """Waits for a turn, and ends it with the block."""
        if self._free:
            self._free -= 1
        else:
            admitted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.setdefault(user_id, deque()).append(admitted)
            try:
                await admitted
            except asyncio.CancelledError:
                if admitted.done() and not admitted.cancelled():
                    self._pass_on()
                raise
        try:
            yield
        finally:
            self._pass_on()

    def _pass_on(self) -> None:
        """Gives the turn that has ended to the next user. Those who have stopped waiting are skipped."""
        while self._waiting:
            user_id, queue = self._waiting.popitem(last=False)
            admitted = queue.popleft()
            if queue:
                self._waiting[user_id] = queue
            if not admitted.done():
                admitted.set_result(None)
                return
        self._free += 1
