"""The hub: every socket of this process, the rooms they follow, and the writing of what happened to them. Pure.

Entries come in any order from `publish`; each follower gets them in the order of the log, each once. Reading pages,
the loop and the bounds are passed in.
"""

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any
from uuid import UUID

import structlog

from messaging.feed import Feed, Follower, Sink
from messaging.framing import Frames
from messaging.limits import Limits
from rooms.events import Notice, RoomNotice, UserNotice

REFILL_RETRY_S = 0.5
CHUNK_BYTES = 64 * 1024  # what is written to one socket at once, so that a buffer stays near its bound

PageReader = Callable[[UUID, int, int], Coroutine[Any, Any, list[RoomNotice]]]  # room, after, limit

log = structlog.get_logger(__name__)


class Hub:
    """Used on one loop only; `publish` from another thread goes through `call_soon_threadsafe`."""

    def __init__(self, *, read_page: PageReader, loop: asyncio.AbstractEventLoop, limits: Limits) -> None:
        self._read_page = read_page
        self._loop = loop
        self._limits = limits
        self._feeds: OrderedDict[UUID, Feed] = OrderedDict()  # the least recently active first
        self._rings_bytes = 0
        self._users: defaultdict[UUID, set[Sink]] = defaultdict(set)
        self._timers: dict[UUID, asyncio.TimerHandle] = {}
        self._pages: dict[tuple[UUID, int], asyncio.Task[list[RoomNotice]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    # -- sockets ---------------------------------------------------------------------------------------------------

    def register(self, sink: Sink) -> None:
        """`sink` hears what is for its user."""
        self._users[sink.user_id].add(sink)

    def unregister(self, sink: Sink) -> None:
        """Forget `sink`, and all that it follows."""
        for room_id in list(sink.followers):
            self.unfollow(sink, room_id)
        sinks = self._users[sink.user_id]
        sinks.discard(sink)
        if not sinks:
            del self._users[sink.user_id]

    def hold(self, sink: Sink, room_id: UUID) -> Follower:
        """Begin to follow, held: what happens from now on is kept for it. An earlier follow is replaced."""
        self.unfollow(sink, room_id)
        feed = self._feeds.get(room_id)
        if feed is None:
            limits = self._limits
            feed = Feed(room_id, ring_max_frames=limits.ring_max_frames, ring_max_bytes=limits.ring_max_bytes)
            self._feeds[room_id] = feed
        follower = Follower(feed, sink)
        feed.others.add(follower)
        sink.followers[room_id] = follower
        return follower

    def release(self, follower: Follower, *, cursor: int, since: int, head: int) -> None:
        """Let `follower` have what comes after `cursor`: its room's log reached `head` when membership was read."""
        feed = follower.feed
        if follower not in feed.others:
            return
        follower.cursor, follower.since = cursor, since
        feed.start(head)
        self._hear(feed, ())
        self._catch_up(follower)

    def unfollow(self, sink: Sink, room_id: UUID) -> None:
        follower = sink.followers.pop(room_id, None)
        if follower is not None:
            self._discard(follower)

    def drained(self, sink: Sink) -> None:
        """`sink` takes more again: go on with whatever it is behind in."""
        for follower in list(sink.followers.values()):
            if follower.cursor is not None and follower in follower.feed.others:
                self._catch_up(follower)

    async def close(self) -> None:
        """Stop every task and timer."""
        for timer in self._timers.values():
            timer.cancel()
        tasks = [*self._tasks, *self._pages.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- what happened ----------------------------------------------------------------------------------------------

    def publish(self, notices: Sequence[Notice]) -> None:
        """Tell whom it concerns. Notices may be late, doubled or out of order."""
        rooms: dict[UUID, list[RoomNotice]] = {}
        for notice in notices:
            if isinstance(notice, UserNotice):
                frames = Frames((notice.payload,))
                for sink in self._users.get(notice.user_id, ()):
                    if not sink.congested:
                        sink.write(frames)
            elif notice.room_id in self._feeds:
                heard = rooms.setdefault(notice.room_id, [])
                if isinstance(notice, RoomNotice):
                    heard.append(notice)
                else:
                    self._feeds[notice.room_id].hint(notice.seq)
        for room_id, heard in rooms.items():
            if (feed := self._feeds.get(room_id)) is not None:
                self._hear(feed, heard)

    def _hear(self, feed: Feed, notices: Iterable[RoomNotice]) -> None:
        before = feed.ring_bytes
        ready = feed.hear(notices)
        if ready:
            self._feeds.move_to_end(feed.room_id)
            self._rings_bytes += feed.ring_bytes - before
            self._bound_rings()
            for chunk in _chunks(ready):
                self._deliver(feed, chunk)
            for follower in list(feed.others):
                if follower.cursor is not None:
                    self._catch_up(follower)
        if feed.has_hole:
            self._heal(feed)
        elif (timer := self._timers.pop(feed.room_id, None)) is not None:
            timer.cancel()

    def _deliver(self, feed: Feed, notices: Sequence[RoomNotice]) -> None:
        """Write `notices` to every live follower; one whose socket is congested falls behind."""
        frames = Frames(tuple(notice.payload for notice in notices))
        stuck = []
        for follower in feed.live:
            sink = follower.sink
            if sink.congested:
                stuck.append((follower, notices[0].seq - 1))
                continue
            sink.write(frames)
            if sink.congested:
                stuck.append((follower, notices[-1].seq))
        for follower, cursor in stuck:
            feed.live.discard(follower)
            feed.others.add(follower)
            follower.cursor = cursor
        if notices[-1].evicts is not None:
            for follower in [*feed.live, *feed.others]:
                self._evict(follower, notices[-1])

    def _evict(self, follower: Follower, notice: RoomNotice) -> None:
        """Cut a removed member who has been written their removal; one who is behind has it still to come."""
        is_level = follower in follower.feed.live or follower.cursor == notice.seq
        if follower.sink.user_id == notice.evicts and is_level and notice.seq > follower.since:
            self.unfollow(follower.sink, notice.room_id)

    # -- catching up ------------------------------------------------------------------------------------------------

    def _catch_up(self, follower: Follower) -> None:
        """Write what the ring holds for `follower`; make it live when level, else have it pull from the log."""
        feed, sink = follower.feed, follower.sink
        while not follower.is_pulling and follower in feed.others and not sink.congested:
            assert follower.cursor is not None and feed.last is not None  # noqa: S101, PT018 - it was released
            if follower.cursor >= feed.last:
                if follower.cursor == feed.last:
                    feed.others.discard(follower)
                    feed.live.add(follower)
                return
            found = feed.after(follower.cursor, max_bytes=CHUNK_BYTES)
            if found is None:
                follower.is_pulling = True
                self._spawn(self._pull(follower))
                return
            self._write(follower, found)

    async def _pull(self, follower: Follower) -> None:
        """Write one page of the log to `follower`; followers with the same cursor share the reading."""
        try:
            assert follower.cursor is not None  # noqa: S101
            page = await self._page(follower.feed, follower.cursor)
        except Exception:
            log.exception("page could not be read", room=str(follower.feed.room_id))
            await asyncio.sleep(REFILL_RETRY_S)
            page = []
        follower.is_pulling = False
        if follower in follower.feed.others and follower.cursor is not None:
            for chunk in _chunks([notice for notice in page if notice.seq > follower.cursor]):
                if follower.sink.congested or follower not in follower.feed.others:
                    return
                self._write(follower, chunk)
            self._catch_up(follower)

    def _write(self, follower: Follower, notices: Sequence[RoomNotice]) -> None:
        """Write `notices` to a follower that is behind: no further than its own removal."""
        user_id = follower.sink.user_id
        for place, notice in enumerate(notices):
            if notice.evicts == user_id and notice.seq > follower.since:
                follower.sink.write(Frames(tuple(n.payload for n in notices[: place + 1])))
                self.unfollow(follower.sink, notice.room_id)
                return
        follower.sink.write(Frames(tuple(notice.payload for notice in notices)))
        follower.cursor = notices[-1].seq

    # -- holes ------------------------------------------------------------------------------------------------------

    def _heal(self, feed: Feed) -> None:
        """Give a hole a moment to fill by itself, then ask the log: one reader for all."""
        if feed.room_id not in self._timers:
            self._timers[feed.room_id] = self._loop.call_later(
                self._limits.park_s, lambda: self._spawn(self._refill(feed))
            )

    async def _refill(self, feed: Feed) -> None:
        try:
            while feed.has_hole and not feed.is_idle:
                assert feed.last is not None  # noqa: S101
                page = await self._page(feed, feed.last)
                self._hear(feed, page)
                if not page:
                    log.error("hole in the log", room=str(feed.room_id), after=feed.last, known=feed.known)
                    await asyncio.sleep(REFILL_RETRY_S)
        except Exception:
            log.exception("refill failed", room=str(feed.room_id))
            await asyncio.sleep(REFILL_RETRY_S)
        finally:
            self._timers.pop(feed.room_id, None)
        if feed.has_hole and not feed.is_idle and self._feeds.get(feed.room_id) is feed:
            self._heal(feed)

    async def _page(self, feed: Feed, after: int) -> list[RoomNotice]:
        """The page of the log after `after`, checked for contiguity; asked once, however many wait for it."""
        key = feed.room_id, after
        task = self._pages.get(key)
        if task is None:
            limit = self._limits.replay_page_entries
            task = self._pages[key] = self._loop.create_task(self._read_page(*key, limit))
            task.add_done_callback(lambda _: self._pages.pop(key, None))
        page = await asyncio.shield(task)
        for place, notice in enumerate(page, start=1):
            if notice.seq != after + place:
                log.error("hole in the log", room=str(feed.room_id), expected=after + place, found=notice.seq)
                return page[: place - 1]
        return page

    # -- housekeeping -----------------------------------------------------------------------------------------------

    def _discard(self, follower: Follower) -> None:
        feed = follower.feed
        feed.live.discard(follower)
        feed.others.discard(follower)
        if feed.is_idle and self._feeds.get(feed.room_id) is feed:
            del self._feeds[feed.room_id]
            self._rings_bytes -= feed.ring_bytes
            if (timer := self._timers.pop(feed.room_id, None)) is not None:
                timer.cancel()

    def _bound_rings(self) -> None:
        for feed in self._feeds.values():
            if self._rings_bytes <= self._limits.rings_max_bytes:
                return
            self._rings_bytes -= feed.ring_bytes
            feed.forget_ring()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _chunks(notices: Sequence[RoomNotice]) -> Iterable[Sequence[RoomNotice]]:
    """Cut `notices` behind every removal, and so that no chunk is much larger than `CHUNK_BYTES`."""
    start = size = 0
    for place, notice in enumerate(notices):
        size += len(notice.payload)
        if notice.evicts is not None or size >= CHUNK_BYTES:
            yield notices[start : place + 1]
            start, size = place + 1, 0
    if start < len(notices):
        yield notices[start:]
