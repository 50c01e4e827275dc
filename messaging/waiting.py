"""asyncio's queue and event without what they hold while nobody waits: kilobytes, for each of many sockets. Pure."""

import asyncio
from typing import Any


class Events:
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

    def take(self) -> list[Any]:
        """All that wait."""
        taken, self._events = self._events, []
        return taken


class Gate:
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

    async def wait(self) -> None:
        while not self._is_open:
            future = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            await future
