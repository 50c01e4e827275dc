"""Writes entries to the followers of a room: to live ones at once, to the others as fast as they read. Pure."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from itertools import compress, repeat
from operator import call
from typing import Any
from uuid import UUID

from messaging.fanout.feed import CHUNK_BYTES, Feed, Follower, Outlet, Sink, Unready, chunks_of
from messaging.fanout.pages import Pages
from messaging.fanout.turns import Turns
from messaging.wire.framing import Frames
from rooms.notices import RoomNotice

LEAST_ENTRY_BYTES = 1024  # that a replayed entry counts as, because reading and rendering it costs as much
LEAST_WAIT_S, MOST_WAIT_S = 0.01, 1.0  # after which a follower whose user was sent too much is looked at again

# Charges a user for bytes that they are sent. Returns the seconds until they may be sent more, or 0.0.
Charge = Callable[[UUID, int], float]


class Delivery:
    """Used on one loop only. Calls `unfollow` when a removed member has received the entry of their removal."""

    def __init__(
        self,
        *,
        pages: Pages,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        unfollow: Callable[[Sink, UUID], None],
        unready: Unready,
        turns: Turns,
        charge: Charge,
    ) -> None:
        self._pages = pages
        self._spawn = spawn
        self._unfollow = unfollow
        self._unready = unready
        self._turns = turns
        self._charge = charge
        # The follower that reads a page, for each socket: one at a time, because its page may fill the socket.
        self._pulling: dict[Sink, Follower] = {}

    def deliver(self, feed: Feed, notices: Sequence[RoomNotice]) -> None:
        """Writes `notices` to every live follower. One whose socket is congested falls behind.

        Only the last of `notices` may be a removal, as `chunks_of` makes sure.
        """
        frames = Frames(tuple(notice.payload for notice in notices))
        roster = feed.roster()
        unready = self._unready.among(roster.indexes.keys())
        are_ready = bytearray(b"\1") * len(roster.outlets)
        for sink in unready:
            are_ready[roster.indexes[sink]] = 0
        sent = fan_out(compress(roster.outlets, are_ready), frames.wire)
        if sent.count(len(frames.wire)) < len(sent):
            for sink, size in zip(compress(roster.indexes, are_ready), sent, strict=True):
                if size < len(frames.wire):
                    sink.keep(frames.wire[size:])
        for sink in [sink for sink in (*roster.without_outlet, *unready) if not sink.offer(frames)]:
            feed.make_behind(feed.live[sink], cursor=(notices[0].covers_from or notices[0].seq) - 1)
        if notices[-1].evicts is not None:
            for follower in [*feed.live.values(), *feed.not_live]:
                self._evict(follower, notices[-1])

    def _evict(self, follower: Follower, notice: RoomNotice) -> None:
        """Ends the follow of the removed member, unless they are behind and have yet to receive their removal."""
        is_level = follower.is_live or follower.cursor == notice.seq
        if follower.sink.user_id == notice.evicts and is_level and notice.seq > follower.since:
            self._unfollow(follower.sink, notice.room_id)

    def catch_up(self, follower: Follower) -> None:
        """Writes to a follower that is behind what the ring holds for it, and makes it live once it is level.

        If the ring does not reach back to its cursor, the follower reads a page of the log in a task.
        """
        feed, sink = follower.feed, follower.sink
        while self._pulling.get(sink) is not follower and follower in feed.not_live and not sink.congested:
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
        """Goes on with every room in which `sink` is behind."""
        for follower in list(sink.followers.values()):
            if follower.cursor is not None and follower in follower.feed.not_live:
                self.catch_up(follower)

    async def _pull(self, follower: Follower) -> None:
        """Reads the page of the log after the follower's cursor, and writes as much of it as the socket takes.

        Waits for the user's turn, and for as long as the user has been sent too much.
        """
        sink, page = follower.sink, []
        try:
            if wait_s := self._charge(sink.user_id, 0):
                await asyncio.sleep(min(max(wait_s, LEAST_WAIT_S), MOST_WAIT_S))
            else:
                async with self._turns.turn(sink.user_id):
                    if follower in follower.feed.not_live:
                        assert follower.cursor is not None  # noqa: S101
                        page = await self._pages.poll_after(follower.feed.room_id, follower.cursor)
        finally:
            del self._pulling[sink]
        for chunk in chunks_of(page):
            if sink.congested or follower not in follower.feed.not_live:
                break
            self._write(follower, chunk)
        self.drained(sink)

    def _write(self, follower: Follower, notices: Sequence[RoomNotice]) -> None:
        """Writes `notices` to a follower that is behind, but nothing after its own removal. Charges its user."""
        user_id = follower.sink.user_id
        self._charge(user_id, sum(max(len(notice.payload), LEAST_ENTRY_BYTES) for notice in notices))
        for index, notice in enumerate(notices):
            if notice.evicts == user_id and notice.seq > follower.since:
                follower.sink.write(Frames(tuple(n.payload for n in notices[: index + 1])))
                self._unfollow(follower.sink, notice.room_id)
                return
        follower.sink.write(Frames(tuple(notice.payload for notice in notices)))
        follower.cursor = notices[-1].seq


def fan_out(outlets: Iterable[Outlet], wire: bytes) -> list[int]:
    """Sends `wire` through each of `outlets`. Returns how many bytes each took: 0 if its socket is full or broken.

    The loop runs in C. A loop in Python evicts the kernel's code and data from the processor's caches between two
    calls (docs/decisions/0011-speed.md).
    """
    sent: list[int] = []
    sends = map(call, outlets, repeat(wire))
    while True:
        try:
            sent.extend(sends)
        except OSError:  # the next call of `extend` goes on with the next outlet
            sent.append(0)
        else:
            return sent
