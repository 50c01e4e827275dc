"""Pages of the log for whoever is behind: read once for all who want them, checked for holes. Pure.

Pages lie at multiples of their size, so that followers with cursors of their own still share them. A page is kept
while it is asked for: a herd that resumes the same gap reads each page once.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import UUID

import msgspec
import structlog

from rooms.events import RoomNotice, gap_notice

KEEP_S = 1.0

log = structlog.get_logger(__name__)


class Page(msgspec.Struct, frozen=True):
    """Entries of one room in their order; `floor` is the oldest seq that the room keeps."""

    floor: int
    notices: list[RoomNotice]


PageReader = Callable[[UUID, int, int], Coroutine[Any, Any, Page]]  # room, after, limit

_Key = tuple[UUID, int]


class Pages:
    """Used on one loop."""

    def __init__(self, read_page: PageReader, *, loop: asyncio.AbstractEventLoop, size: int) -> None:
        self._read_page = read_page
        self._loop = loop
        self._size = size
        self._pages: dict[_Key, asyncio.Task[Page]] = {}
        self._used_at: dict[_Key, float] = {}
        self.read = 0  # pages, so far

    async def after(self, room_id: UUID, cursor: int) -> list[RoomNotice]:
        """What follows `cursor` without a hole, some of it; empty where the log ends.

        Where retention has taken what follows, it begins with the notice of that gap. Raises what reading raises.
        """
        key = room_id, cursor // self._size
        shared = self._pages.get(key)
        page = await self._page(key)
        found = [notice for notice in page.notices if notice.seq > cursor]
        if shared is not None and not found:
            self._drop(key, shared)  # it is older than what is asked for
            page = await self._page(key)
            found = [notice for notice in page.notices if notice.seq > cursor]
        if cursor + 1 < page.floor:
            found = [notice for notice in found if notice.seq >= page.floor]
            return [gap_notice(room_id, cursor + 1, page.floor - 1), *_contiguous(page.floor - 1, found)]
        return _contiguous(cursor, found)

    def forget(self, room_id: UUID) -> None:
        """Drop what is kept of a room: some of it is no longer as it was."""
        for key in [key for key in self._pages if key[0] == room_id]:
            del self._pages[key]
            self._used_at.pop(key, None)

    async def close(self) -> None:
        tasks = list(self._pages.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _page(self, key: _Key) -> Page:
        self._used_at[key] = self._loop.time()
        task = self._pages.get(key)
        if task is None:
            self.read += 1
            room_id, index = key
            task = self._loop.create_task(self._read_page(room_id, index * self._size, self._size))
            self._pages[key] = task
            task.add_done_callback(lambda done: self._keep_or_drop(key, done))
        return await asyncio.shield(task)

    def _keep_or_drop(self, key: _Key, task: asyncio.Task[Page]) -> None:
        if not task.cancelled() and task.exception() is None:
            self._loop.call_later(KEEP_S, self._drop_unused, key, task)
        else:
            self._drop(key, task)

    def _drop_unused(self, key: _Key, task: asyncio.Task[Page]) -> None:
        """A page stays for as long as somebody asks for it at least once a moment."""
        if self._loop.time() - self._used_at.get(key, 0.0) < KEEP_S:
            self._loop.call_later(KEEP_S, self._drop_unused, key, task)
        else:
            self._drop(key, task)

    def _drop(self, key: _Key, task: asyncio.Task[Page]) -> None:
        if self._pages.get(key) is task:
            del self._pages[key]
            self._used_at.pop(key, None)


def _contiguous(cursor: int, notices: list[RoomNotice]) -> list[RoomNotice]:
    for place, notice in enumerate(notices, start=1):
        if notice.seq != cursor + place:
            log.error("hole in the log", room=str(notice.room_id), expected=cursor + place, found=notice.seq)
            return notices[: place - 1]
    return notices
