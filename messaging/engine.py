"""The parts of one process that live on its event loop: hub, writer, threads for the database."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from messaging import selectors
from messaging.append import Appender
from messaging.database import DatabaseThreads
from messaging.hub import Hub
from messaging.limits import Limits
from messaging.writer import Writer
from rooms.events import Notice, RoomNotice


class Engine:
    """Made on the loop that it serves, at start-up; closed at shutdown. `publish` may be called from any thread."""

    def __init__(self, *, limits: Limits, reader_threads: int) -> None:
        self.limits = limits
        self.loop = asyncio.get_running_loop()
        self.readers = DatabaseThreads(reader_threads, name="reader")
        self._writer_thread = DatabaseThreads(1, name="writer")
        self.hub = Hub(read_page=self._read_page, loop=self.loop, limits=limits)
        self.writer = Writer(append=Appender().append, executor=self._writer_thread, loop=self.loop, limits=limits)

    def publish(self, notices: Sequence[Notice]) -> None:
        """A listener for `rooms.broadcast`."""
        self.loop.call_soon_threadsafe(self.hub.publish, notices)

    async def close(self) -> None:
        """Answer what is on the pile, then stop."""
        await self.writer.drain()
        await self.hub.close()
        self._writer_thread.shutdown()
        self.readers.shutdown()

    async def _read_page(self, room_id: UUID, after: int, limit: int) -> list[RoomNotice]:
        return await self.readers.run(selectors.list_notices, room_id=room_id, after=after, limit=limit)
