"""The hub under whatever comes: notices lost, doubled and shuffled while followers come, go, stall and are removed."""

import asyncio
from dataclasses import dataclass, field
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from messaging.fanout.feed import Follower
from messaging.wire.limits import Limits
from rooms.events import RoomHint, RoomNotice
from tests.unit.examples import ROOM
from tests.unit.rooms import House, Socket
from tests.unit.virtual_time import run

PEOPLE = 3
# Small, so that rings overflow and pages end.
LIMITS = Limits(ring_max_frames=4, ring_max_bytes=60, parked_max_bytes=30, rings_max_bytes=50, replay_page_entries=3)


@dataclass
class Stream:
    """One follow of a room from beginning to end, and what it must have brought."""

    socket: Socket
    follower: Follower
    start: int
    first: int | None = None  # None while held
    joined_seq: int = 0

    @property
    def seqs(self) -> list[int]:
        return self.socket.seqs[self.start :]


@dataclass
class Person:
    """Somebody with one socket, who is in the room or not."""

    socket: Socket
    joined_seq: int | None = None
    stream: Stream | None = None


@dataclass
class World:
    """A room, its people, and what of it is still on its way to the hub."""

    house: House
    people: list[Person] = field(default_factory=list)
    on_air: list[RoomNotice] = field(default_factory=list)

    def commit(self, evicts: UUID | None = None) -> int:
        self.on_air += self.house.log.commit(evicts=evicts, size=10)
        return self.house.log.head()

    def deliver(self, order: list[int]) -> None:
        """Publish some of what is on its way, in any order, some twice; the rest is lost."""
        self.house.hub.publish([self.on_air[place % len(self.on_air)] for place in order if self.on_air])
        self.on_air.clear()

    def hold(self, person: Person) -> None:
        self.finish(person)
        if person.joined_seq is None:
            person.joined_seq = self.commit()
        follower = self.house.hub.hold(person.socket, ROOM)
        person.stream = Stream(person.socket, follower, start=len(person.socket.payloads))

    def answer(self, person: Person, back: int) -> None:
        """Read head and membership, and release: those two with nothing between them."""
        stream = person.stream
        if stream is None or stream.first is not None:
            return
        if person.joined_seq is None:
            self.leave(person)
            return
        head = self.house.log.head()
        stream.first, stream.joined_seq = max(0, head - back), person.joined_seq
        self.house.hub.release(stream.follower, cursor=stream.first, since=person.joined_seq, head=head)

    def leave(self, person: Person) -> None:
        self.house.hub.unfollow(person.socket, ROOM)
        self.finish(person)

    def remove(self, person: Person) -> None:
        if person.joined_seq is not None:
            self.commit(evicts=person.socket.user_id)
            person.joined_seq = None

    def finish(self, person: Person) -> None:
        """What the stream brought until now has no hole and nothing twice."""
        stream, person.stream = person.stream, None
        if stream is None:
            return
        if stream.first is None:
            assert stream.seqs == []
        else:
            assert stream.seqs == list(range(stream.first + 1, stream.first + 1 + len(stream.seqs)))
            assert len(stream.seqs) <= self.end(stream) - stream.first

    def end(self, stream: Stream) -> int:
        """The last seq that the stream may bring: the head, or its own removal."""
        removals = [
            entry.seq
            for entry in self.house.log.entries[ROOM]
            if entry.evicts == stream.socket.user_id and entry.seq > stream.joined_seq
        ]
        return removals[0] if removals else self.house.log.head()

    async def settle(self) -> None:
        """Everybody reads again, and the hub is told how far the log reaches."""
        for person in self.people:
            self.answer(person, back=0)
            person.socket.drain(self.house.hub)
        self.house.hub.publish([RoomHint(room_id=ROOM, seq=self.house.log.head())])
        await asyncio.sleep(10)

    def assert_level(self) -> None:
        for person in self.people:
            if (stream := person.stream) is not None and stream.first is not None:
                assert stream.seqs == list(range(stream.first + 1, self.end(stream) + 1))
                assert (ROOM in person.socket.followers) == (person.joined_seq == stream.joined_seq)


people = st.integers(0, PEOPLE - 1)
steps = st.one_of(
    st.tuples(st.just("commit"), st.integers(1, 6)),
    st.tuples(st.just("deliver"), st.lists(st.integers(0, 9), max_size=8)),
    st.tuples(st.just("hold"), people),
    st.tuples(st.just("answer"), st.tuples(people, st.integers(0, 12))),
    st.tuples(st.just("leave"), people),
    st.tuples(st.just("remove"), people),
    st.tuples(st.just("congest"), people),
    st.tuples(st.just("drain"), people),
    st.tuples(st.just("wait"), st.sampled_from([0.0005, 0.002, 0.011, 1.0])),
    st.tuples(st.just("fail"), st.just(1)),
)


async def play(world: World, script: list[tuple[str, object]]) -> None:
    for step in script:
        match step:
            case "commit", int(count):
                for _ in range(count):
                    world.commit()
            case "deliver", list(order):
                world.deliver(order)
            case "hold", int(who):
                world.hold(world.people[who])
            case "answer", (int(who), int(back)):
                world.answer(world.people[who], back)
            case "leave", int(who):
                world.leave(world.people[who])
            case "remove", int(who):
                world.remove(world.people[who])
            case "congest", int(who):
                world.people[who].socket.congested = True
            case "drain", int(who):
                world.people[who].socket.drain(world.house.hub)
            case "fail", int(count):
                world.house.log.failures = count
            case "wait", float(seconds):
                await asyncio.sleep(seconds)


async def live(script: list[tuple[str, object]]) -> None:
    house = House(LIMITS)
    # Buffers that fill up now and then by themselves.
    people = [Person(Socket(UUID(int=place), room_for=(40, 70, 2**40)[place])) for place in range(PEOPLE)]
    world = World(house, people)
    await play(world, script)
    for _ in range(40):  # a small buffer takes a few entries at a time
        await world.settle()
    world.assert_level()
    await house.hub.close()


def test_it_works() -> None:
    run(
        live(
            [
                ("hold", 0),
                ("commit", 3),
                ("answer", (0, 2)),
                ("deliver", [2, 0, 1, 2]),
                ("congest", 0),
                ("commit", 2),
                ("remove", 0),
                ("commit", 1),
                ("deliver", [3]),
                ("wait", 1.0),
            ]
        )
    )


@settings(deadline=None, max_examples=50)
@given(st.lists(steps, max_size=40))
def test_it_brings_every_follower_the_log_from_their_cursor_on_each_entry_once(
    script: list[tuple[str, object]],
) -> None:
    run(live(script))
