"""The feed of one room in one process: the order of its entries, and the sockets that follow it. Pure.

A follower is *held* until its join has been answered, *behind* while it has a cursor of its own, and *live* while its
cursor is the feed's. Nothing is queued for a follower: what it has not received is in the ring or in the log.
"""

import asyncio
from collections.abc import Callable, Iterable, KeysView, Sequence
from typing import NamedTuple, Protocol
from uuid import UUID

from messaging.fanout.buffers import Parked, Ring
from messaging.wire.closes import Close
from messaging.wire.framing import Frames
from messaging.wire.limits import Limits
from rooms.notices import RoomNotice

CHUNK_BYTES = 64 * 1024  # written to a socket at once, before it is asked whether it is congested

# Sends framed bytes straight to the kernel and returns how many it took. Raises `OSError` if it takes none.
Outlet = Callable[[bytes], int]


class Sink(Protocol):
    """One socket, as the hub sees it. Writes never block, and are sent in the order in which they were made."""

    user_id: UUID
    session_key: str
    session_id: UUID
    auth_version: int
    # By room. Written by the hub only.
    followers: dict[UUID, "Follower"]
    # None if every write must go through `write`. A sink that loses its outlet calls `forget_roster` on its feeds.
    outlet: Outlet | None

    @property
    def congested(self) -> bool:
        """Whether its buffer is full, or it is closed. When the buffer drains, the sink calls `Hub.drained`."""

    def write(self, frames: Frames) -> None:
        """Sends or buffers `frames`."""

    def offer(self, frames: Frames) -> bool:
        """Writes `frames` unless the sink is congested. Returns whether they were written."""

    def keep(self, wire: bytes) -> None:
        """Buffers what `outlet` did not take of a write. It is sent before any later write."""

    def close(self, close: Close) -> None:
        """Sends a close frame after everything that was written."""

    async def leave(self, close: Close) -> None:
        """Ignores further frames, and closes once the sends in flight have been answered."""


class Unready:
    """The sinks whose outlets must not be used now, because something else has to be written to them first.

    A sink adds and discards itself. The hub writes to such a sink with `offer`.
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
        """Returns those of `sinks` that are unready, in time proportional to the smaller of the two sets."""
        return self._sinks & sinks


class Follower:
    """A socket that follows a room.

    `cursor` is the seq that it has received so far, or None while it is held; it is not maintained while the follower
    is live. `since` is the seq at which its user's membership began: a later removal of that user ends the follow, an
    earlier one is history.
    """

    __slots__ = ("cursor", "feed", "since", "sink")

    def __init__(self, feed: "Feed", sink: Sink) -> None:
        self.feed = feed
        self.sink = sink
        self.cursor: int | None = None
        self.since = 0

    @property
    def is_live(self) -> bool:
        return self.feed.live.get(self.sink) is self


class Roster(NamedTuple):
    """The sinks of a feed's live followers. `indexes` gives the index in `outlets` of each sink that has an outlet."""

    indexes: dict[Sink, int]
    outlets: list[Outlet]
    without_outlet: list[Sink]


class Feed:
    """Entries of one room, and the room's followers. Used on the hub's loop only; no method blocks."""

    def __init__(self, room_id: UUID, *, limits: Limits) -> None:
        self.room_id = room_id
        self.last: int | None = None  # the newest seq up to which there is no hole; None until a head was read
        self.known = 0  # the newest seq that is known to exist
        self.ring = Ring(max_frames=limits.ring_max_frames, max_bytes=limits.ring_max_bytes)
        self.live: dict[Sink, Follower] = {}  # in the order in which they came, so that their memory lies side by side
        self.not_live: set[Follower] = set()  # held, or behind
        self.refill: asyncio.TimerHandle | asyncio.Task[None] | None = None  # the hub's, while there is a hole
        self._roster: Roster | None = None
        self._parked = Parked(max_bytes=limits.parked_max_bytes)

    @property
    def is_idle(self) -> bool:
        """Whether the room has no followers."""
        return not self.live and not self.not_live

    @property
    def has_hole(self) -> bool:
        """Whether entries are known to exist that have not arrived."""
        return self.last is not None and self.last < self.known

    @property
    def held_bytes(self) -> int:
        """The payload bytes that the feed holds in memory."""
        return self.ring.bytes + self._parked.bytes

    def drop_held(self) -> None:
        """Drops what the feed holds in memory. What is still needed of it is read from the log."""
        self.ring.clear()
        self._parked.clear()

    def cancel_refill(self) -> None:
        if self.refill is not None:
            self.refill.cancel()
            self.refill = None

    # -- followers --------------------------------------------------------------------------------------------------

    def make_live(self, follower: Follower) -> None:
        """From now on the follower's cursor is the feed's. It must have received everything up to `last`."""
        self.not_live.discard(follower)
        self.live[follower.sink] = follower
        self._roster = None

    def make_behind(self, follower: Follower, *, cursor: int) -> None:
        """From now on the live follower has a cursor of its own."""
        del self.live[follower.sink]
        self.not_live.add(follower)
        follower.cursor = cursor
        self._roster = None

    def remove(self, follower: Follower) -> None:
        if follower.is_live:
            del self.live[follower.sink]
            self._roster = None
        self.not_live.discard(follower)

    def roster(self) -> Roster:
        """Returns the sinks of the live followers.

        The roster is kept until a follower joins, leaves, falls behind or loses its outlet, so that a message does not
        have to look at each follower.
        """
        if self._roster is None:
            direct = [sink for sink in self.live if sink.outlet is not None]
            self._roster = Roster(
                indexes={sink: index for index, sink in enumerate(direct)},
                outlets=[outlet for sink in direct if (outlet := sink.outlet) is not None],
                without_outlet=[sink for sink in self.live if sink.outlet is None],
            )
        return self._roster

    def forget_roster(self) -> None:
        """Must be called when a follower's sink loses its outlet."""
        self._roster = None

    # -- entries ----------------------------------------------------------------------------------------------------

    def start(self, head: int) -> None:
        """Records that the log reaches `head`. The first call sets where the feed starts; a later one is a hint."""
        if self.last is None:
            self.last = head
            self._parked.drop_through(head)
        self.hint(head)

    def hint(self, seq: int) -> None:
        """Records that the log reaches at least `seq`."""
        if seq > self.known:
            self.known = seq

    def accept(self, notices: Iterable[RoomNotice]) -> list[RoomNotice]:
        """Takes notices in any order and any number of times. Returns the entries that are next in line, in order.

        Entries beyond the next one are parked, and returned by the call that fills the hole before them.
        """
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
        """Goes on after entries that no longer exist, if they begin right after `last`."""
        if self.last is None or gap.covers_from != self.last + 1:
            return []
        self.last = gap.seq
        self._parked.drop_through(gap.seq)
        return [gap]


def chunks_of(notices: Sequence[RoomNotice]) -> Iterable[Sequence[RoomNotice]]:
    """Splits `notices` after every removal of a member, and wherever a chunk has reached `CHUNK_BYTES`."""
    start = size = 0
    for index, notice in enumerate(notices):
        size += len(notice.payload)
        if notice.evicts is not None or size >= CHUNK_BYTES:
            yield notices[start : index + 1]
            start, size = index + 1, 0
    if start < len(notices):
        yield notices[start:]
