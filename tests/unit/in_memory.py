"""A hub without a database or a network: its log is in memory, and its sockets record what is written to them."""

import asyncio
from collections import defaultdict
from typing import Any
from uuid import UUID

import pytest

from messaging.fanout.feed import Follower, Outlet
from messaging.fanout.hub import Hub
from messaging.fanout.pages import EntryPage
from messaging.wire.closes import Close
from messaging.wire.framing import Frames
from messaging.wire.limits import Limits
from rooms.notices import RoomNotice
from tests.unit.examples import ALICE, ROOM

READ_S = 0.001  # that reading a page takes
PARK_S = Limits().park_s
REFILLED_S = PARK_S + READ_S + 0.001  # after this time a hole has been refilled from the log
LONG_S = 10.0  # longer than anything that the hub waits for

Caplog = pytest.LogCaptureFixture


def notice(seq: int, *, room: UUID = ROOM, size: int = 0, **fields: Any) -> RoomNotice:
    """Returns an entry whose payload is its seq, padded to `size` bytes."""
    return RoomNotice(room_id=room, seq=seq, payload=str(seq).encode().ljust(size), **fields)


class Log:
    """The entries of all rooms. Records which pages were read, by room and the seq that they follow."""

    def __init__(self) -> None:
        self.entries: defaultdict[UUID, list[RoomNotice]] = defaultdict(list)
        self.reads: list[tuple[UUID, int]] = []
        self.failures = 0  # how many of the next reads fail
        self.floor = 1  # the lowest seq that retention has left

    def head(self, room: UUID = ROOM) -> int:
        return len(self.entries[room])

    def commit(self, count: int = 1, *, room: UUID = ROOM, **fields: Any) -> list[RoomNotice]:
        """Appends `count` entries and returns them. Nobody is notified."""
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
            raise ConnectionError("the database is down")
        return page


class FakeSocket:
    """A sink that records what is written to it.

    It is congested once `capacity` bytes were written, or if a test sets `congested`, until `drain` is called.
    """

    def __init__(self, user_id: UUID = ALICE.id, *, capacity: int = 2**40) -> None:
        self.user_id = user_id
        self.session_key = "s-1"
        self.session_id = UUID(int=7)
        self.auth_version = 1
        self.followers: dict[UUID, Follower] = {}
        self.payloads: list[bytes] = []
        self.closed: Close | None = None
        self.congested = False
        self.outlet: Outlet | None = None
        self.written_bytes = 0
        self._capacity = capacity

    @property
    def seqs(self) -> list[int]:
        return [int(payload) for payload in self.payloads]

    def write(self, frames: Frames) -> None:
        self.payloads += frames.payloads
        self.written_bytes += frames.size
        self.congested = self.congested or self.written_bytes >= self._capacity

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
        self.congested, self.written_bytes = False, 0
        hub.drained(self)


class InMemoryChat:
    """A hub whose log is in memory. Must be made on a running loop."""

    def __init__(self, limits: Limits | None = None, **options: Any) -> None:
        self.log = Log()
        loop = asyncio.get_running_loop()
        self.hub = Hub(read_page=self.log.read_page, loop=loop, limits=limits or Limits(), **options)

    def follow(self, socket: FakeSocket, room: UUID = ROOM, *, after: int | None = None, since: int = 0) -> Follower:
        """Follows a room from the head of its log, or from the seq `after`."""
        head = self.log.head(room)
        follower = self.hub.hold(socket, room)
        self.hub.release(follower, cursor=head if after is None else after, since=since, head=head)
        return follower

    def post(self, count: int = 1, *, room: UUID = ROOM, **fields: Any) -> list[RoomNotice]:
        """Commits `count` entries and publishes them to the hub."""
        new = self.log.commit(count, room=room, **fields)
        self.hub.publish(new)
        return new


def logged_errors(caplog: Caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
