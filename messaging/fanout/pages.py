"""Pages of logs, for feeds with a hole and for followers that are behind. Pure.

A page is read once for all that want it at the same time, and checked for holes. Pages begin at multiples of their
size, so that followers with different cursors share them, and are kept while they are in use: when many clients resume
at once, each page is read once.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import UUID

import msgspec
import structlog

from foundation.errors import DomainError
from rooms.notices import RoomNotice, render_gap

KEEP_S = 1.0  # for which a page is kept after its last use
RETRY_S = 0.5  # between two reads, if the first failed or found nothing

log = structlog.get_logger(__name__)


class EntryPage(msgspec.Struct, frozen=True):
    """Entries of one room, in order. `floor` is the lowest seq that retention has left in the room's log."""

    floor: int
    notices: list[RoomNotice]

    @property
    def size(self) -> int:
        """The payload bytes of its entries."""
        return sum(len(notice.payload) for notice in self.notices)


# Takes a room's id, a seq and a limit; returns up to `limit` entries that follow that seq.
PageReader = Callable[[UUID, int, int], Coroutine[Any, Any, EntryPage]]

_Key = tuple[UUID, int]


class _Kept:
    """A page that is being read, or was. `size` is 0 until it has been read."""

    __slots__ = ("size", "task", "timer", "used_at")

    def __init__(self, task: asyncio.Task[EntryPage]) -> None:
        self.task = task
        self.size = 0
        self.used_at = 0.0
        self.timer: asyncio.TimerHandle | None = None


class Pages:
    """Used on one loop only. Keeps at most `max_bytes` of payload; past that, drops the least recently used pages."""

    def __init__(self, read_page: PageReader, *, loop: asyncio.AbstractEventLoop, size: int, max_bytes: int) -> None:
        self._read_page = read_page
        self._loop = loop
        self._size = size
        self._max_bytes = max_bytes
        self._pages: OrderedDict[_Key, _Kept] = OrderedDict()  # the least recently used first
        self._bytes = 0
        self.pages_read = 0

    async def read_after(self, room_id: UUID, cursor: int) -> list[RoomNotice]:
        """Returns entries that follow `cursor`, without holes: those of one page. Empty at the end of the log.

        If retention has deleted what follows `cursor`, the first notice is that of the gap. If a hole is found, which
        is logged as an error, the list ends before it. Raises what the page reader raises.
        """
        key = room_id, cursor // self._size
        shared = self._pages.get(key)
        page = await self._page(key)
        found = [notice for notice in page.notices if notice.seq > cursor]
        if shared is not None and not found:
            self._drop(key, shared)  # it may have been read before the next entry was committed
            page = await self._page(key)
            found = [notice for notice in page.notices if notice.seq > cursor]
        if cursor + 1 < page.floor:
            found = [notice for notice in found if notice.seq >= page.floor]
            return [render_gap(room_id, cursor + 1, page.floor - 1), *_contiguous(page.floor - 1, found)]
        return _contiguous(cursor, found)

    async def poll_after(self, room_id: UUID, cursor: int) -> list[RoomNotice]:
        """Does what `read_after` does, for callers that try again until they have what they need.

        Returns an empty list, after a pause of `RETRY_S`, if there is nothing to read or reading failed, which it logs.
        """
        try:
            page = await self.read_after(room_id, cursor)
        except DomainError:  # the database is unavailable, which has been logged already
            page = []
        except Exception:
            log.exception("page could not be read", room=str(room_id))
            page = []
        if not page:
            await asyncio.sleep(RETRY_S)
        return page

    def forget(self, room_id: UUID) -> None:
        """Drops the pages of a room, because one of its messages has changed."""
        for key in [key for key in self._pages if key[0] == room_id]:
            self._drop(key, self._pages[key])

    async def close(self) -> None:
        tasks = [kept.task for kept in self._pages.values()]
        for key, kept in list(self._pages.items()):
            self._drop(key, kept)
            kept.task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _page(self, key: _Key) -> EntryPage:
        kept = self._pages.get(key)
        if kept is None:
            kept = self._read(key)
        kept.used_at = self._loop.time()
        self._pages.move_to_end(key)
        return await asyncio.shield(kept.task)

    def _read(self, key: _Key) -> _Kept:
        self.pages_read += 1
        room_id, index = key
        kept = _Kept(self._loop.create_task(self._read_page(room_id, index * self._size, self._size)))
        kept.task.add_done_callback(lambda _: self._keep_or_drop(key, kept))
        self._pages[key] = kept
        return kept

    def _keep_or_drop(self, key: _Key, kept: _Kept) -> None:
        if kept.task.cancelled() or kept.task.exception() is not None:
            self._drop(key, kept)
        elif self._pages.get(key) is kept:
            kept.size = kept.task.result().size
            self._bytes += kept.size
            kept.used_at = self._loop.time()
            self._drop_unused(key, kept)
            while self._bytes > self._max_bytes:
                self._drop(*next(item for item in self._pages.items() if item[1].size))

    def _drop_unused(self, key: _Key, kept: _Kept) -> None:
        """Drops a page that has not been used for `KEEP_S`. If it has, checks again when that time is over."""
        left_s = kept.used_at + KEEP_S - self._loop.time()
        if left_s > 0:
            kept.timer = self._loop.call_later(left_s, self._drop_unused, key, kept)
        else:
            self._drop(key, kept)

    def _drop(self, key: _Key, kept: _Kept) -> None:
        if self._pages.get(key) is kept:
            del self._pages[key]
            self._bytes -= kept.size
            if kept.timer is not None:
                kept.timer.cancel()  # it holds a reference to the page


def _contiguous(cursor: int, notices: list[RoomNotice]) -> list[RoomNotice]:
    for index, notice in enumerate(notices, start=1):
        if notice.seq != cursor + index:
            log.error("hole in the log", room=str(notice.room_id), expected=cursor + index, found=notice.seq)
            return notices[: index - 1]
    return notices
