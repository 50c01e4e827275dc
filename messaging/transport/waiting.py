"""What a connection waits with: a queue, an event and a window of sends. All are used on one loop only. Pure.

`asyncio.Queue` and `asyncio.Event` hold deques even when nobody waits, some kilobytes for each idle socket.
"""

import asyncio
from typing import Any


class LeanQueue:
    """An `asyncio.Queue` without a bound, for one reader at a time. Holds the ASGI events of one connection."""

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
        """Returns a future of the next event. If it is cancelled first, the event goes to the next reader."""
        self._reader = self._loop.create_future()
        if self._events:
            self._reader.set_result(self._events.pop(0))
        return self._reader

    def empty(self) -> bool:
        return not self._events

    def pop_all(self) -> list[Any]:
        """Removes and returns all events, oldest first."""
        events, self._events = self._events, []
        return events


class LeanEvent:
    """An `asyncio.Event` that is set at first."""

    __slots__ = ("_is_set", "_waiting")

    def __init__(self) -> None:
        self._is_set = True
        self._waiting: list[asyncio.Future[None]] = []

    def set(self) -> None:
        self._is_set = True
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def clear(self) -> None:
        self._is_set = False

    def is_set(self) -> bool:
        return self._is_set

    async def wait(self) -> None:
        """Waits until the event is set. Goes on waiting if it was cleared again in the meantime."""
        while not self._is_set:
            future = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            await future


class SendWindow:
    """Counts the sends of one socket that are in flight, and makes those beyond `size` wait."""

    __slots__ = ("_in_flight", "_size", "_waiting")

    def __init__(self, size: int) -> None:
        self._size = size
        self._in_flight = 0
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []  # each with the count that it waits for

    @property
    def is_open(self) -> bool:
        """Whether `acquire` would return without waiting."""
        return self._in_flight < self._size

    async def acquire(self) -> None:
        """Waits for room for one more send, and counts it."""
        await self._wait_for(self._size - 1)
        self._in_flight += 1

    def release(self) -> None:
        """Counts one send as answered."""
        self._in_flight -= 1
        while self._waiting and self._in_flight <= self._waiting[0][0]:
            future = self._waiting.pop(0)[1]
            if not future.done():
                future.set_result(None)

    async def settled(self) -> None:
        """Waits until no send is in flight."""
        await self._wait_for(0)

    async def _wait_for(self, most: int) -> None:
        while self._in_flight > most:
            future = asyncio.get_running_loop().create_future()
            self._waiting.append((most, future))
            await future
