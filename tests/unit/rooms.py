"""Rooms without a database: a log in memory, and sockets that keep what they are written."""

import asyncio
from collections import defaultdict
from typing import Any
from uuid import UUID

import pytest

from messaging.fanout.feed import Follower, Outlet
from messaging.fanout.hub import Hub, Interest
from messaging.fanout.pages import EntryPage
from messaging.wire.closes import Close
from messaging.wire.framing import Frames
from messaging.wire.limits import Limits
from rooms.events import RoomNotice
from tests.unit.examples import ALICE, ROOM

READ_S = 0.001  # what reading a page takes
PARK_S = Limits().park_s
HEALED_S = PARK_S + READ_S + 0.001  # by then a hole was refilled
LONG_S = 10.0

Caplog = pytest.LogCaptureFixture


def notice(seq: int, *, room: UUID = ROOM, size: int = 0, **fields: Any) -> RoomNotice:
    """An entry whose payload is its seq, padded to `size` bytes."""
    return RoomNotice(room_id=room, seq=seq, payload=str(seq).encode().ljust(size), **fields)


class Log:
    """What was committed, and which pages of it were read."""

    def __init__(self) -> None:
        self.entries: defaultdict[UUID, list[RoomNotice]] = defaultdict(list)
        self.reads: list[tuple[UUID, int]] = []
        self.failures = 0  # so many reads to come fail
        self.floor = 1  # the oldest seq that is kept

    def head(self, room: UUID = ROOM) -> int:
        return len(self.entries[room])

    def commit(self, count: int = 1, *, room: UUID = ROOM, **fields: Any) -> list[RoomNotice]:
        head = self.head(room)
        new = [notice(head + place, room=room, **fields) for place in range(1, count + 1)]
        self.entries[room] += new
        return new

    async def read_page(self, room: UUID, after: int, limit: int) -> EntryPage:
        self.reads.append((room, after))
        found = [entry for entry in self.entries[room] if self.floor <= entry.seq > after][:limit]
        page = EntryPage(floor=self.floor, notices=found)
        await asyncio.sleep(READ_S)
        if self.failures:
            self.failures -= 1
            raise ConnectionError("the database is away")
        return page


class Socket:
    """A sink that is congested once it has taken `room_for` bytes, or when told so, until `drain`."""

    def __init__(self, user_id: UUID = ALICE.id, *, room_for: int = 2**40) -> None:
        self.user_id = user_id
        self.session_key = "s-1"
        self.session_id = UUID(int=7)
        self.auth_version = 1
        self.followers: dict[UUID, Follower] = {}
        self.payloads: list[bytes] = []
        self.closed: Close | None = None
        self.congested = False
        self.outlet: Outlet | None = None
        self.taken = 0
        self._room_for = room_for

    @property
    def seqs(self) -> list[int]:
        return [int(payload) for payload in self.payloads]

    def write(self, frames: Frames) -> None:
        self.payloads += frames.payloads
        self.taken += frames.size
        self.congested = self.congested or self.taken >= self._room_for

    def offer(self, frames: Frames) -> bool:
        if not self.congested:
            self.write(frames)
            return True
        return False

    def keep(self, wire: bytes) -> None:
        raise AssertionError("it has no outlet")

    def close(self, close: Close) -> None:
        self.closed = close

    async def leave(self, close: Close) -> None:
        self.close(close)

    def drain(self, hub: Hub) -> None:
        self.congested, self.taken = False, 0
        hub.drained(self)


class House:
    """A hub over a log in memory. Wants a running loop."""

    def __init__(self, limits: Limits | None = None, *, interest: Interest | None = None) -> None:
        self.log = Log()
        loop = asyncio.get_running_loop()
        self.hub = Hub(read_page=self.log.read_page, loop=loop, limits=limits or Limits(), interest=interest)

    def follow(self, socket: Socket, room: UUID = ROOM, *, after: int | None = None, since: int = 0) -> Follower:
        """Join at the head of the log, or with a replay of all `after`."""
        head = self.log.head(room)
        follower = self.hub.hold(socket, room)
        self.hub.release(follower, cursor=head if after is None else after, since=since, head=head)
        return follower

    def happen(self, count: int = 1, *, room: UUID = ROOM, **fields: Any) -> list[RoomNotice]:
        """Commit so many entries and tell the hub at once."""
        new = self.log.commit(count, room=room, **fields)
        self.hub.publish(new)
        return new


def alarms(caplog: Caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
