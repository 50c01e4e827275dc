"""Ten thousand steps of joins, drops, sends, removals and re-additions: no stream with a hole, a double, a disorder.

Two workers over one log, and a layer that loses a third of its messages. The consumers, hub, relay, sweep and writer
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
WORLDS = 320  # of which some end early
TURNS = 4  # of the loop after each step: enough for a frame to be read, not for an answer of the database

T = TypeVar("T")

indexes = st.integers(0, 9)  # into what there is to choose from
rooms = st.sampled_from(list(ROOMS))
workers = st.integers(0, 1)


class Streams(RuleBasedStateMachine):
    """One world from beginning to end."""

    tally: Counter[str] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=VirtualTimeLoop)
        self.has_failed = False

    @initialize(seed=st.integers(0, 2**32 - 1))
    def begin(self, seed: int) -> None:
        async def make() -> World:
            return World(seed)

        self.world = self.runner.run(make())

    # -- people -----------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.world.connected())
    @rule(who=indexes, room=rooms, how=st.sampled_from(["after", "after", "fresh", "little"]))
    def join(self, who: int, room: UUID, how: str) -> None:
        client = pick(self.world.connected(), who)
        after = None if how == "fresh" else client.followed.get(room)
        self.do(lambda: client.join(room, after=after, max_replay=5 if how == "little" else 1_000))

    @precondition(lambda self: self.world.connected())
    @rule(who=indexes, room=rooms, forget=st.booleans())
    def leave(self, who: int, room: UUID, forget: bool) -> None:
        self.do(lambda: pick(self.world.connected(), who).leave(room, forget=forget))

    @precondition(lambda self: self.world.connected())
    @rule(who=indexes)
    def drop(self, who: int) -> None:
        self.do(pick(self.world.connected(), who).drop)

    @precondition(lambda self: self.world.away())
    @rule(who=indexes, by_sync=st.booleans())
    def resume(self, who: int, by_sync: bool) -> None:
        self.do(lambda: self.world.resume(pick(self.world.away(), who), by_sync=by_sync))

    @precondition(lambda self: self.world.connected())
    @rule(room=rooms)
    def talk(self, room: UUID) -> None:
        self.do(lambda: self.world.talk(room))

    @precondition(lambda self: self.world.connected())
    @rule(who=indexes, room=rooms, count=st.integers(1, 9))
    def send(self, who: int, room: UUID, count: int) -> None:
        client = pick(self.world.connected(), who)
        self.do(lambda: client.send(room, count=count))

    @precondition(lambda self: self.able_to_send_again())
    @rule(who=indexes, which=indexes)
    def send_again(self, who: int, which: int) -> None:
        client = pick(self.able_to_send_again(), who)
        sent = {client_id: unanswered.room for client_id, unanswered in client.unanswered.items()}
        sent |= {client_id: room for client_id, (room, _) in client.accepted.items()}
        client_id = pick(list(sent), which)
        self.do(lambda: client.send_again(sent[client_id], client_id))

    def able_to_send_again(self) -> list[Client]:
        return [client for client in self.world.connected() if client.unanswered or client.accepted]

    @precondition(lambda self: any(client.is_reading for client in self.world.connected()))
    @rule(who=indexes)
    def congest(self, who: int) -> None:
        self.do(pick([client for client in self.world.connected() if client.is_reading], who).congest)

    @precondition(lambda self: any(not client.is_reading for client in self.world.connected()))
    @rule(who=indexes)
    def drain(self, who: int) -> None:
        client = pick([client for client in self.world.connected() if not client.is_reading], who)
        self.do(lambda: self.world.drain(client))

    # -- members ----------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.world.members(of=True))
    @rule(whom=indexes, at=workers)
    def remove(self, whom: int, at: int) -> None:
        room, user = pick(self.world.members(of=True), whom)
        self.do(lambda: self.world.remove(room, user, at=at))

    @precondition(lambda self: self.world.members(of=False))
    @rule(whom=indexes, at=workers)
    def add_again(self, whom: int, at: int) -> None:
        room, user = pick(self.world.members(of=False), whom)
        self.do(lambda: self.world.add(room, user, at=at))

    # -- the layer, and time ----------------------------------------------------------------------------------------

    @precondition(lambda self: self.world.layer.outage is None)
    @rule(outage=st.sampled_from(["raises", "hangs", "deaf"]))
    def layer_goes_down(self, outage: Outage) -> None:
        self.do(lambda: self.world.layer.go_down(outage))

    @precondition(lambda self: self.world.layer.outage is not None)
    @rule()
    def layer_comes_up(self) -> None:
        self.do(self.world.layer.come_up)

    @rule(milliseconds=st.sampled_from([1, 2, 5, 11, 30]))
    def a_moment_passes(self, milliseconds: int) -> None:
        self.do(seconds=milliseconds / 1_000)

    @rule(milliseconds=st.integers(0, 2_000))
    def time_passes(self, milliseconds: int) -> None:
        self.do(seconds=milliseconds / 1_000)

    def do(self, act: Callable[[], object] = lambda: None, *, seconds: float = 0) -> None:
        async def step() -> None:
            act()
            for _ in range(TURNS):
                await asyncio.sleep(0)
            if seconds:
                await asyncio.sleep(seconds)

        self.tally["steps"] += 1
        self.runner.run(step())

    # -- what holds -------------------------------------------------------------------------------------------------

    @invariant()
    def nothing_is_wrong(self) -> None:
        self.world.judge.go_on(self.world.store)
        self.has_failed = bool(self.world.faults)
        assert not self.world.faults

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        with self.runner:
            try:
                if not self.has_failed:
                    self.runner.run(self.world.settle())
                    assert self.world.faults + self.world.level_faults() == []
            finally:
                left = self.runner.run(self.world.close())
            assert self.has_failed or left == []
        self.count()

    def count(self) -> None:
        world, tally = self.world, self.tally
        tally["frames"] += sum(client.heard for client in world.clients)
        tally["entries"] += sum(room.seq for room in world.store.rooms.values())
        tally["worlds"] += 1
        tally["pages read"] += sum(worker.hub.pages_read for worker in world.workers)
        tally["removals heard"] += sum(client.removals for client in world.clients)
        tally["offered to the layer"] += world.layer.offered
        tally["lost by the layer"] += world.layer.lost


def pick(those: Sequence[T], place: int) -> T:
    return those[place % len(those)]


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
    # Many worlds share a seed, and with it what is lost.
    assert tally["lost by the layer"] / tally["offered to the layer"] == pytest.approx(LOSS, abs=0.15)
    assert tally["removals heard"]
    assert tally["pages read"]
