"""Ten thousand random steps of joins, drops, sends, removals and re-additions, after which every stream is complete.

No stream has a hole, a duplicate, or entries out of order, and every device receives in time what concerns its user.
Two workers share one log and a layer that loses a third of its messages. The consumers, hub, relay, sweep and writer
are the real ones, on virtual time; the database is a model.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar
from uuid import UUID

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.simulation.client import Client
from tests.simulation.layer import LOSS, Outage
from tests.simulation.world import ROOMS, World
from tests.unit.virtual_time import VirtualTimeLoop

STEPS = 10_000
STEPS_EACH = 50
WORLDS = 320  # more than STEPS / STEPS_EACH, because some end early
ITERATIONS = 4  # of the loop after each step: enough for a frame to be read, too few for the database to answer

T = TypeVar("T")

indexes = st.integers(0, 9)  # taken modulo the number of items to choose from
rooms = st.sampled_from(list(ROOMS))
workers = st.integers(0, 1)


class Streams(RuleBasedStateMachine):
    """The life of one world."""

    tally: Counter[str] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=VirtualTimeLoop)
        self.has_failed = False

    @initialize(seed=st.integers(0, 2**32 - 1))
    def make_world(self, seed: int) -> None:
        async def make() -> World:
            return World(seed)

        self.world = self.runner.run(make())

    # -- clients ----------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.world.connected())
    @rule(index=indexes, room=rooms, start=st.sampled_from(["after", "after", "head", "short replay"]))
    def join(self, index: int, room: UUID, start: str) -> None:
        client = pick(self.world.connected(), index)
        after = None if start == "head" else client.followed.get(room)
        self.do(lambda: client.join(room, after=after, max_replay=5 if start == "short replay" else 1_000))

    @precondition(lambda self: self.world.connected())
    @rule(index=indexes, room=rooms, forget=st.booleans())
    def leave(self, index: int, room: UUID, forget: bool) -> None:
        self.do(lambda: pick(self.world.connected(), index).leave(room, forget=forget))

    @precondition(lambda self: self.world.connected())
    @rule(index=indexes)
    def drop(self, index: int) -> None:
        self.do(pick(self.world.connected(), index).drop)

    @precondition(lambda self: self.world.disconnected())
    @rule(index=indexes, by_sync=st.booleans())
    def resume(self, index: int, by_sync: bool) -> None:
        self.do(lambda: self.world.resume(pick(self.world.disconnected(), index), by_sync=by_sync))

    @precondition(lambda self: self.world.connected())
    @rule(room=rooms)
    def send_from_all(self, room: UUID) -> None:
        self.do(lambda: self.world.send_from_all(room))

    @precondition(lambda self: self.world.connected())
    @rule(index=indexes, room=rooms, count=st.integers(1, 9))
    def send(self, index: int, room: UUID, count: int) -> None:
        client = pick(self.world.connected(), index)
        self.do(lambda: client.send(room, count=count))

    @precondition(lambda self: self.world.connected())
    @rule(index=indexes, room=rooms, message_index=indexes, unread=st.booleans())
    def read(self, index: int, room: UUID, message_index: int, unread: bool) -> None:
        client, head = pick(self.world.connected(), index), self.world.store.rooms[room].message_id
        self.do(lambda: client.read(room, max(head - message_index, 0), unread=unread))

    @precondition(lambda self: self.able_to_send_again())
    @rule(index=indexes, message_index=indexes)
    def send_again(self, index: int, message_index: int) -> None:
        client = pick(self.able_to_send_again(), index)
        sent = {client_id: unanswered.room for client_id, unanswered in client.unanswered.items()}
        sent |= {client_id: room for client_id, (room, _) in client.accepted.items()}
        client_id = pick(list(sent), message_index)
        self.do(lambda: client.send_again(sent[client_id], client_id))

    def able_to_send_again(self) -> list[Client]:
        return [client for client in self.world.connected() if client.unanswered or client.accepted]

    @precondition(lambda self: any(client.is_reading for client in self.world.connected()))
    @rule(index=indexes)
    def congest(self, index: int) -> None:
        self.do(pick([client for client in self.world.connected() if client.is_reading], index).congest)

    @precondition(lambda self: any(not client.is_reading for client in self.world.connected()))
    @rule(index=indexes)
    def drain(self, index: int) -> None:
        client = pick([client for client in self.world.connected() if not client.is_reading], index)
        self.do(lambda: self.world.drain(client))

    # -- members ----------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.world.list_users(are_members=True))
    @rule(index=indexes, worker=workers)
    def remove(self, index: int, worker: int) -> None:
        room, user = pick(self.world.list_users(are_members=True), index)
        self.do(lambda: self.world.remove(room, user, worker=worker))

    @precondition(lambda self: self.world.list_users(are_members=False))
    @rule(index=indexes, worker=workers)
    def add(self, index: int, worker: int) -> None:
        room, user = pick(self.world.list_users(are_members=False), index)
        self.do(lambda: self.world.add(room, user, worker=worker))

    # -- layer and time ---------------------------------------------------------------------------------------------

    @precondition(lambda self: self.world.layer.outage is None)
    @rule(outage=st.sampled_from(["raises", "hangs", "drops"]))
    def layer_goes_down(self, outage: Outage) -> None:
        self.do(lambda: self.world.layer.go_down(outage))

    @precondition(lambda self: self.world.layer.outage is not None)
    @rule()
    def layer_comes_up(self) -> None:
        self.do(self.world.layer.come_up)

    @rule(milliseconds=st.sampled_from([1, 2, 5, 11, 30]))
    def wait_briefly(self, milliseconds: int) -> None:
        self.do(seconds=milliseconds / 1_000)

    @rule(milliseconds=st.integers(0, 2_000))
    def wait(self, milliseconds: int) -> None:
        self.do(seconds=milliseconds / 1_000)

    def do(self, act: Callable[[], object] = lambda: None, *, seconds: float = 0) -> None:
        async def step() -> None:
            act()
            for _ in range(ITERATIONS):
                await asyncio.sleep(0)
            if seconds:
                await asyncio.sleep(seconds)

        self.tally["steps"] += 1
        self.runner.run(step())

    # -- checks -----------------------------------------------------------------------------------------------------

    @invariant()
    def there_are_no_faults(self) -> None:
        self.world.log_checker.check_new_entries(self.world.store)
        self.world.faults += self.world.missing_changes()
        self.has_failed = bool(self.world.faults)
        assert not self.world.faults

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        with self.runner:
            try:
                if not self.has_failed:
                    self.runner.run(self.world.settle())
                    assert self.world.faults + self.world.settled_faults() == []
            finally:
                leaks = self.runner.run(self.world.close())
            assert self.has_failed or leaks == []
        self.count()

    def count(self) -> None:
        world, tally = self.world, self.tally
        tally["frames"] += sum(client.frames_received for client in world.clients)
        tally["entries"] += sum(room.seq for room in world.store.rooms.values())
        tally["worlds"] += 1
        tally["pages read"] += sum(worker.hub.pages_read for worker in world.workers)
        tally["changes received"] += sum(client.changes_received for client in world.clients)
        tally["removals received"] += sum(client.removals_received for client in world.clients)
        tally["offered to the layer"] += world.layer.offered
        tally["lost by the layer"] += world.layer.lost


def pick(items: Sequence[T], index: int) -> T:
    return items[index % len(items)]


def test_it_works_for_ten_thousand_steps() -> None:
    Streams.tally.clear()
    run_state_machine_as_test(
        Streams,
        settings=settings(
            deadline=None,
            max_examples=WORLDS,
            stateful_step_count=STEPS_EACH,
            phases=(Phase.reuse, Phase.generate, Phase.shrink),
            print_blob=True,
        ),
    )
    tally = Streams.tally
    print(dict(tally))
    assert tally["steps"] >= STEPS
    # Many worlds share a seed, and then lose the same messages.
    assert tally["lost by the layer"] / tally["offered to the layer"] == pytest.approx(LOSS, abs=0.15)
    assert tally["removals received"]
    assert tally["changes received"]
    assert tally["pages read"]
