"""The hub under generated events: lost, doubled and shuffled notices, and followers that come, go and stop reading."""

import asyncio
from dataclasses import dataclass, field
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from messaging.fanout.feed import Follower
from messaging.wire.limits import Limits
from rooms.notices import RoomHint, RoomNotice
from tests.unit.examples import ROOM
from tests.unit.in_memory import FakeSocket, InMemoryChat
from tests.unit.virtual_time import run

PEOPLE = 3
# So small that rings overflow, parked entries are dropped, and pages end.
LIMITS = Limits(ring_max_frames=4, ring_max_bytes=60, parked_max_bytes=30, rings_max_bytes=50, replay_page_entries=3)


@dataclass
class Stream:
    """One follow of a room, from its join to its end."""

    socket: FakeSocket
    follower: Follower
    start: int  # how many payloads its socket had received before
    cursor: int | None = None  # it was released with; None while held
    joined_seq: int = 0

    @property
    def seqs(self) -> list[int]:
        return self.socket.seqs[self.start :]


@dataclass
class Person:
    """A user with one socket. `joined_seq` is None while they are not a member of the room."""

    socket: FakeSocket
    joined_seq: int | None = None
    stream: Stream | None = None


@dataclass
class World:
    """A room, its people, and the notices that have not reached the hub yet."""

    chat: InMemoryChat
    people: list[Person] = field(default_factory=list)
    in_flight: list[RoomNotice] = field(default_factory=list)

    def commit(self, evicts: UUID | None = None) -> int:
        self.in_flight += self.chat.log.commit(evicts=evicts, size=10)
        return self.chat.log.head()

    def deliver(self, order: list[int]) -> None:
        """Publishes the notices in flight at the places `order`, some of them twice. The others are lost."""
        self.chat.hub.publish([self.in_flight[place % len(self.in_flight)] for place in order if self.in_flight])
        self.in_flight.clear()

    def hold(self, person: Person) -> None:
        self.end_stream(person)
        if person.joined_seq is None:
            person.joined_seq = self.commit()
        follower = self.chat.hub.hold(person.socket, ROOM)
        person.stream = Stream(person.socket, follower, start=len(person.socket.payloads))

    def answer(self, person: Person, back: int) -> None:
        """Releases a held follower with a cursor that is `back` entries before the head."""
        stream = person.stream
        if stream is None or stream.cursor is not None:
            return
        if person.joined_seq is None:
            self.leave(person)
            return
        head = self.chat.log.head()
        stream.cursor, stream.joined_seq = max(0, head - back), person.joined_seq
        self.chat.hub.release(stream.follower, cursor=stream.cursor, since=person.joined_seq, head=head)

    def leave(self, person: Person) -> None:
        self.chat.hub.unfollow(person.socket, ROOM)
        self.end_stream(person)

    def remove(self, person: Person) -> None:
        if person.joined_seq is not None:
            self.commit(evicts=person.socket.user_id)
            person.joined_seq = None

    def end_stream(self, person: Person) -> None:
        """Asserts that the stream has received no entry twice and has no hole, so far."""
        stream, person.stream = person.stream, None
        if stream is None:
            return
        if stream.cursor is None:
            assert stream.seqs == []
        else:
            assert stream.seqs == list(range(stream.cursor + 1, stream.cursor + 1 + len(stream.seqs)))
            assert len(stream.seqs) <= self.last_seq(stream) - stream.cursor

    def last_seq(self, stream: Stream) -> int:
        """Returns the last seq that the stream may receive: the removal of its user, or the head."""
        removals = [
            entry.seq
            for entry in self.chat.log.entries[ROOM]
            if entry.evicts == stream.socket.user_id and entry.seq > stream.joined_seq
        ]
        return removals[0] if removals else self.chat.log.head()

    async def settle(self) -> None:
        """Lets every socket take more, and hints to the hub how far the log reaches."""
        for person in self.people:
            self.answer(person, back=0)
            person.socket.drain(self.chat.hub)
        self.chat.hub.publish([RoomHint(room_id=ROOM, seq=self.chat.log.head())])
        await asyncio.sleep(10)

    def assert_complete(self) -> None:
        for person in self.people:
            if (stream := person.stream) is not None and stream.cursor is not None:
                assert stream.seqs == list(range(stream.cursor + 1, self.last_seq(stream) + 1))
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


async def run_steps(world: World, script: list[tuple[str, object]]) -> None:
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
                world.people[who].socket.drain(world.chat.hub)
            case "fail", int(count):
                world.chat.log.failures = count
            case "wait", float(seconds):
                await asyncio.sleep(seconds)


async def run_script(script: list[tuple[str, object]]) -> None:
    chat = InMemoryChat(LIMITS)
    # Two of the sockets become congested by themselves now and then.
    people = [Person(FakeSocket(UUID(int=place), capacity=(40, 70, 2**40)[place])) for place in range(PEOPLE)]
    world = World(chat, people)
    await run_steps(world, script)
    for _ in range(40):  # a small buffer takes a few entries at a time
        await world.settle()
    world.assert_complete()
    await chat.hub.close()


def test_it_works() -> None:
    run(
        run_script(
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
def test_it_writes_each_follower_every_entry_after_its_cursor_once(
    script: list[tuple[str, object]],
) -> None:
    run(run_script(script))
