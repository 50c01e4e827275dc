"""The writing of what happened in a room to those who follow it: at once to whoever is level, in their own time to
those behind. Pure.
"""

from collections.abc import Callable, Coroutine, Iterable, Sequence
from itertools import compress, repeat
from operator import call
from typing import Any
from uuid import UUID

from messaging.fanout.feed import CHUNK_BYTES, Feed, Follower, Outlet, Sink, Unready, chunks_of
from messaging.fanout.pages import Pages
from messaging.wire.framing import Frames
from rooms.events import RoomNotice


class Delivery:
    """Used on one loop only. `unfollow` ends the following of a removed member."""

    def __init__(
        self,
        *,
        pages: Pages,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        unfollow: Callable[[Sink, UUID], None],
        unready: Unready,
    ) -> None:
        self._pages = pages
        self._spawn = spawn
        self._unfollow = unfollow
        self._unready = unready
        # One page at a time for each socket: the first of many might fill it.
        self._pulling: dict[Sink, Follower] = {}

    def deliver(self, feed: Feed, notices: Sequence[RoomNotice]) -> None:
        """Write `notices` to every live follower; one whose socket is congested falls behind."""
        frames = Frames(tuple(notice.payload for notice in notices))
        roster = feed.roster()
        unready = self._unready.among(roster.places.keys())
        are_ready = bytearray(b"\1") * len(roster.outlets)
        for sink in unready:
            are_ready[roster.places[sink]] = 0
        sent = fan_out(compress(roster.outlets, are_ready), frames.wire)
        if sent.count(len(frames.wire)) < len(sent):
            for sink, size in zip(compress(roster.places, are_ready), sent, strict=True):
                if size < len(frames.wire):
                    sink.keep(frames.wire[size:])
        for sink in [sink for sink in (*roster.others, *unready) if not sink.offer(frames)]:
            feed.make_behind(feed.live[sink], cursor=(notices[0].covers_from or notices[0].seq) - 1)
        if notices[-1].evicts is not None:
            for follower in [*feed.live.values(), *feed.others]:
                self._evict(follower, notices[-1])

    def _evict(self, follower: Follower, notice: RoomNotice) -> None:
        """Cut a removed member who has been written their removal; one who is behind has it still to come."""
        is_level = follower.is_live or follower.cursor == notice.seq
        if follower.sink.user_id == notice.evicts and is_level and notice.seq > follower.since:
            self._unfollow(follower.sink, notice.room_id)

    def catch_up(self, follower: Follower) -> None:
        """Write what the ring holds for `follower`; make it live when level, else have it pull from the log."""
        feed, sink = follower.feed, follower.sink
        while self._pulling.get(sink) is not follower and follower in feed.others and not sink.congested:
            assert follower.cursor is not None and feed.last is not None  # noqa: S101, PT018 - it was released
            if follower.cursor >= feed.last:
                if follower.cursor == feed.last:
                    feed.make_live(follower)
                return
            found = feed.ring.after(follower.cursor, max_bytes=CHUNK_BYTES)
            if found is None:
                if sink not in self._pulling:
                    self._pulling[sink] = follower
                    self._spawn(self._pull(follower))
                return
            self._write(follower, found)

    def drained(self, sink: Sink) -> None:
        """Go on with whatever `sink` is behind in."""
        for follower in list(sink.followers.values()):
            if follower.cursor is not None and follower in follower.feed.others:
                self.catch_up(follower)

    async def _pull(self, follower: Follower) -> None:
        """Write what the log holds next to `follower`, as much as it takes."""
        assert follower.cursor is not None  # noqa: S101
        sink = follower.sink
        try:
            page = await self._pages.try_after(follower.feed.room_id, follower.cursor)
        finally:
            del self._pulling[sink]
        for chunk in chunks_of(page):
            if sink.congested or follower not in follower.feed.others:
                break
            self._write(follower, chunk)
        self.drained(sink)

    def _write(self, follower: Follower, notices: Sequence[RoomNotice]) -> None:
        """Write `notices` to a follower that is behind: no further than its own removal."""
        user_id = follower.sink.user_id
        for place, notice in enumerate(notices):
            if notice.evicts == user_id and notice.seq > follower.since:
                follower.sink.write(Frames(tuple(n.payload for n in notices[: place + 1])))
                self._unfollow(follower.sink, notice.room_id)
                return
        follower.sink.write(Frames(tuple(notice.payload for notice in notices)))
        follower.cursor = notices[-1].seq


def fan_out(outlets: Iterable[Outlet], wire: bytes) -> list[int]:
    """How much of `wire` went into each; nothing where it is full or broken.

    The loop is not the interpreter's, which drives the kernel's code and data from the processor's caches between two
    calls (docs/decisions/0011-speed.md).
    """
    sent: list[int] = []
    sends = map(call, outlets, repeat(wire))
    while True:
        try:
            sent.extend(sends)
        except OSError:  # `sends` goes on with the next
            sent.append(0)
        else:
            return sent
