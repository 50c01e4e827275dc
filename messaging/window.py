"""The window of sends in flight of one socket: what is beyond it is not read yet. Pure."""

import asyncio


class Window:
    """Counts what is in flight. Used on one loop only."""

    __slots__ = ("_in_flight", "_size", "_waiting")

    def __init__(self, size: int) -> None:
        self._size = size
        self._in_flight = 0
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    @property
    def is_open(self) -> bool:
        """Whether `enter` would not wait."""
        return self._in_flight < self._size

    async def enter(self) -> None:
        """Wait until there is room for one more, and take it."""
        await self._until(self._size - 1)
        self._in_flight += 1

    async def settled(self) -> None:
        """Wait until nothing is in flight."""
        await self._until(0)

    def leave(self) -> None:
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
