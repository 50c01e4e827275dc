"""asyncio's queue and event without what they hold while nobody waits: kilobytes, for each of many sockets. Pure."""

import asyncio
from typing import Any


class LeanQueue:
    """The ASGI events of one connection, oldest first. For one reader at a time."""

    __slots__ = ("_events", "_loop", "_reader")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._events: list[Any] = []
        self._reader: asyncio.Future[Any] | None = None

    def put_nowait(self, event: Any) -> None:
        if self._reader is None or self._reader.done():
            self._events.append(event)
        else:
            self._reader.set_result(event)

    def get(self) -> "asyncio.Future[Any]":
        """The next event, some time."""
        self._reader = self._loop.create_future()
        if self._events:
            self._reader.set_result(self._events.pop(0))
        return self._reader

    def empty(self) -> bool:
        return not self._events

    def pop_all(self) -> list[Any]:
        """All that wait."""
        taken, self._events = self._events, []
        return taken


class LeanEvent:
    """Open at first; whoever comes while it is closed waits."""

    __slots__ = ("_is_open", "_waiting")

    def __init__(self) -> None:
        self._is_open = True
        self._waiting: list[asyncio.Future[None]] = []

    def set(self) -> None:
        self._is_open = True
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def clear(self) -> None:
        self._is_open = False

    def is_set(self) -> bool:
        return self._is_open

    async def wait(self) -> None:
        while not self._is_open:
            future = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            await future


class SendWindow:
    """Counts what is in flight. Used on one loop only."""

    __slots__ = ("_in_flight", "_size", "_waiting")

    def __init__(self, size: int) -> None:
        self._size = size
        self._in_flight = 0
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    @property
    def is_open(self) -> bool:
        """Whether `acquire` would not wait."""
        return self._in_flight < self._size

    async def acquire(self) -> None:
        """Wait until there is room for one more, and take it."""
        await self._until(self._size - 1)
        self._in_flight += 1

    async def settled(self) -> None:
        """Wait until nothing is in flight."""
        await self._until(0)

    def release(self) -> None:
        self._in_flight -= 1
        while self._waiting and self._in_flight <= self._waiting[0][0]:
            future = self._waiting.pop(0)[1]
            if not future.done():
                future.set_result(None)

    async def _until(self, most: int) -> None:
        while self._in_flight > most:
            future = asyncio.get_running_loop().create_future()
            self._waiting.append((most, future))
            await future
