"""The feed of one room in one process: what is contiguous, what is parked, who is level and who is behind. Pure.

A follower is *held* until its join has been answered, *behind* while it has a cursor of its own, and *live* when its
cursor is the feed's. Nothing is queued for it: what it missed is in the ring or in the log.
"""

import asyncio
from collections.abc import Callable, Iterable, KeysView, Sequence
from typing import NamedTuple, Protocol
from uuid import UUID

from messaging.fanout.buffers import Parked, Ring
from messaging.wire.closes import Close
from messaging.wire.framing import Frames
from messaging.wire.limits import Limits
from rooms.events import RoomNotice

Outlet = Callable[[bytes], int]


CHUNK_BYTES = 64 * 1024  # what is written to one socket at once, so that a buffer stays near its bound


class Sink(Protocol):
    """One socket, as the hub sees it. Never blocks; what is written is sent in order."""

    user_id: UUID
    session_key: str
    session_id: UUID
    auth_version: int
    followers: dict[UUID, "Follower"]
    # To send through at once, unless the sink is among the hub's `unready`. None where there is none, or none any more:
    # then its feeds forget their rosters.
    outlet: Outlet | None

    @property
    def congested(self) -> bool:
        """Whether more should wait. Once it no longer is, `Hub.drained` is called."""

    def write(self, frames: Frames) -> None: ...

    def offer(self, frames: Frames) -> bool:
        """Write, unless congested; false where it is."""

    def keep(self, wire: bytes) -> None:
        """What `outlet` did not take: to be sent before anything else."""

    def close(self, close: Close) -> None:
        """Write what is pending, then a close frame."""

    async def leave(self, close: Close) -> None:
        """Read no more, and close once every request that was read has been answered."""


class Unready:
    """The sinks whose outlets must not be used now, because something else has to be written to them first.

    A sink adds and discards itself. To the sinks in it the hub writes with `offer`.
    """

    __slots__ = ("_sinks",)

    def __init__(self) -> None:
        self._sinks: set[Sink] = set()

    def __len__(self) -> int:
        return len(self._sinks)

    def add(self, sink: Sink) -> None:
        self._sinks.add(sink)

    def discard(self, sink: Sink) -> None:
        self._sinks.discard(sink)

    def among(self, sinks: KeysView[Sink]) -> set[Sink]:
        """Return those of `sinks` that are unready. Takes as long as the smaller of the two is large."""
        return self._sinks & sinks


class Follower:
    """A socket in a room. `since` is its member's joined seq: a removal after it cuts, an earlier one is history."""

    __slots__ = ("cursor", "feed", "since", "sink")

    def __init__(self, feed: "Feed", sink: Sink) -> None:
        self.feed = feed
        self.sink = sink
        self.cursor: int | None = None  # None while held
        self.since = 0

    @property
    def is_live(self) -> bool:
        return self.feed.live.get(self.sink) is self


class Roster(NamedTuple):
    """The sinks of a feed's live followers: those with an outlet by their place in `outlets`, and the others."""

    places: dict[Sink, int]
    outlets: list[Outlet]
    others: list[Sink]


class Feed:
    """The order of one room's entries. All methods run on the hub's loop and never block."""

    def __init__(self, room_id: UUID, *, limits: Limits) -> None:
        self.room_id = room_id
        self.last: int | None = None  # the newest contiguous seq; None until a head was read
        self.known = 0  # the newest seq that is known to exist
        self.ring = Ring(max_frames=limits.ring_max_frames, max_bytes=limits.ring_max_bytes)
        self.live: dict[Sink, Follower] = {}  # in the order in which they came: so their memory lies side by side
        self.others: set[Follower] = set()
        self.healing: asyncio.TimerHandle | asyncio.Task[None] | None = None  # the hub's, while there is a hole
        self._roster: Roster | None = None
        self._parked = Parked(max_bytes=limits.parked_max_bytes)

    @property
    def is_idle(self) -> bool:
        return not self.live and not self.others

    @property
    def has_hole(self) -> bool:
        return self.last is not None and self.last < self.known

    @property
    def held_bytes(self) -> int:
        """The payload bytes that the feed holds in memory."""
        return self.ring.bytes + self._parked.bytes

    def drop_held(self) -> None:
        """Drop what the feed holds in memory. It is read from the log instead, as far as it is still needed."""
        self.ring.clear()
        self._parked.clear()

    # -- followers --------------------------------------------------------------------------------------------------

    def make_live(self, follower: Follower) -> None:
        """It is level: from now on its cursor is the feed's."""
        self.others.discard(follower)
        self.live[follower.sink] = follower
        self._roster = None

    def make_behind(self, follower: Follower, *, cursor: int) -> None:
        """It goes on after `cursor` by itself."""
        del self.live[follower.sink]
        self.others.add(follower)
        follower.cursor = cursor
        self._roster = None

    def remove(self, follower: Follower) -> None:
        if follower.is_live:
            del self.live[follower.sink]
            self._roster = None
        self.others.discard(follower)

    def roster(self) -> Roster:
        """Kept until a follower comes, goes, falls behind or loses its outlet: a message looks at none of them."""
        if self._roster is None:
            direct = [sink for sink in self.live if sink.outlet is not None]
            self._roster = Roster(
                places={sink: place for place, sink in enumerate(direct)},
                outlets=[outlet for sink in direct if (outlet := sink.outlet) is not None],
                others=[sink for sink in self.live if sink.outlet is None],
            )
        return self._roster

    def forget_roster(self) -> None:
        """One of them lost its outlet."""
        self._roster = None

    # -- entries ----------------------------------------------------------------------------------------------------

    def start(self, head: int) -> None:
        """Record that the log reaches `head`. The first call sets where the feed starts; a later one is a hint."""
        if self.last is None:
            self.last = head
            self._parked.drop_through(head)
        self.hint(head)

    def hint(self, seq: int) -> None:
        """Record that the log reaches at least `seq`."""
        self.known = max(self.known, seq)

    def hear(self, notices: Iterable[RoomNotice]) -> list[RoomNotice]:
        """Take `notices` in any order, any number of times; return those that are next in line, in order."""
        ready: list[RoomNotice] = []
        for notice in notices:
            self.hint(notice.seq)
            if notice.covers_from is not None:
                ready += self._skip(notice)
            elif self.last is None or notice.seq > self.last:
                self._parked.put(notice)
        while self.last is not None and (following := self._parked.pop(self.last + 1)) is not None:
            ready.append(following)
            self.last += 1
        self._parked.bound()
        self.ring.extend(ready)
        return ready

    def _skip(self, gap: RoomNotice) -> list[RoomNotice]:
        """Go on after a hole that will never be filled, if it begins right after `last`."""
        if self.last is None or gap.covers_from != self.last + 1:
            return []
        self.last = gap.seq
        self._parked.drop_through(gap.seq)
        return [gap]

    def stop_healing(self) -> None:
        if self.healing is not None:
            self.healing.cancel()
            self.healing = None


def chunks_of(notices: Sequence[RoomNotice]) -> Iterable[Sequence[RoomNotice]]:
    """Cut `notices` behind every removal, and so that no chunk is much larger than `CHUNK_BYTES`."""
    start = size = 0
    for place, notice in enumerate(notices):
        size += len(notice.payload)
        if notice.evicts is not None or size >= CHUNK_BYTES:
            yield notices[start : place + 1]
            start, size = place + 1, 0
    if start < len(notices):
        yield notices[start:]
