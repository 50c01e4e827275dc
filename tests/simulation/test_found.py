"""What the simulation found, each as the shortest story that shows it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import UUID

import pytest

from messaging.wire.closes import DRAINING
from tests.simulation.client import Client
from tests.simulation.world import ARRIVAL_S, LIMITS, World
from tests.unit.examples import BOB, CHARLIE, OTHER_ROOM, ROOM
from tests.unit.virtual_time import run

TURNS = range(8)  # of the loop, in which a request is read and the database asked
STALLED_S = LIMITS.stalled_writer_s + 1

Story = Callable[[World], Coroutine[Any, Any, None]]


def tell(story: Story) -> list[str]:
    """Live through `story` in a world whose layer is silent, and settle. Returns what was wrong."""

    async def live() -> list[str]:
        world = World(seed=1)
        world.layer.go_down("deaf")
        await asyncio.sleep(ARRIVAL_S)
        await story(world)
        await world.settle()
        return world.faults + world.level_faults() + await world.close()

    return run(live())


def device(world: World, name: str) -> Client:
    return next(client for client in world.clients if client.name == name)


def test_it_works() -> None:
    async def nothing(world: World) -> None:
        assert all(client.streams[ROOM].last == 3 for client in world.clients)

    assert tell(nothing) == []


def test_it_follows_on_who_joins_again_before_an_old_removal_is_heard() -> None:
    async def story(world: World) -> None:
        bob = device(world, "bob")
        other = 1 - world.workers.index(bob.served_by)
        world.remove(ROOM, BOB, at=other)
        world.add(ROOM, BOB, at=other)
        bob.join(ROOM, after=None)

    assert tell(story) == []


@pytest.mark.parametrize("turns", TURNS)
@pytest.mark.parametrize("room", [ROOM, OTHER_ROOM])
def test_it_follows_on_who_joins_again_while_a_removal_arrives(room: UUID, turns: int) -> None:
    async def story(world: World) -> None:
        bob = device(world, "bob")
        at = world.workers.index(bob.served_by)
        bob.join(room, after=None)
        await asyncio.sleep(ARRIVAL_S)
        bob.join(room, after=None)
        for _ in range(turns):
            await asyncio.sleep(0)
        world.remove(room, BOB, at=at)
        if room == ROOM:
            world.add(room, BOB, at=at)

    assert tell(story) == []


def test_it_lets_go_of_a_peer_that_did_not_read_and_went() -> None:
    async def story(world: World) -> None:
        phone = device(world, "bob-2")
        phone.congest()
        phone.send(ROOM)
        device(world, "alice").send(ROOM, count=4)
        await asyncio.sleep(ARRIVAL_S)
        phone.send(ROOM)
        phone.drop()

    assert tell(story) == []


def test_it_lets_go_of_a_peer_that_went_and_was_far_behind() -> None:
    async def story(world: World) -> None:
        phone = device(world, "bob-2")
        phone.congest()
        device(world, "alice").send(ROOM, count=20)
        await asyncio.sleep(ARRIVAL_S)
        phone.send(ROOM)
        phone.drop()

    assert tell(story) == []


def test_it_lets_go_of_a_peer_that_was_closed_as_a_slow_reader() -> None:
    async def story(world: World) -> None:
        phone = device(world, "bob-2")
        phone.congest()
        device(world, "alice").send(ROOM, count=20)
        await asyncio.sleep(ARRIVAL_S)
        phone.send(ROOM)
        await asyncio.sleep(STALLED_S)
        phone.drain()

    assert tell(story) == []


def test_it_lets_go_of_a_peer_that_was_sent_away_while_it_did_not_read() -> None:
    async def story(world: World) -> None:
        phone = device(world, "bob-2")
        device(world, "alice").send(ROOM, count=20)
        await asyncio.sleep(ARRIVAL_S)
        phone.congest()
        phone.join(ROOM, after=0)
        await asyncio.sleep(ARRIVAL_S)
        phone.send(ROOM)
        await asyncio.sleep(ARRIVAL_S)
        for sink in phone.served_by.hub.sinks_of(BOB.id):
            sink.close(DRAINING)
        await asyncio.sleep(ARRIVAL_S)
        phone.drain()

    assert tell(story) == []


def test_it_sends_nothing_more_to_a_peer_that_it_has_closed() -> None:
    async def story(world: World) -> None:
        bob = device(world, "bob")
        bob.send(ROOM)
        await asyncio.sleep(ARRIVAL_S)
        world.remove(ROOM, CHARLIE, at=world.workers.index(bob.served_by))  # told in the next turn of the loop
        for sink in bob.served_by.hub.sinks_of(BOB.id):
            sink.close(DRAINING)

    assert tell(story) == []


def test_it_serves_or_closes_a_peer_that_reads_again_after_long() -> None:
    async def story(world: World) -> None:
        phone = device(world, "bob-2")
        phone.congest()
        device(world, "alice").send(ROOM, count=20)
        await asyncio.sleep(2 * STALLED_S)
        phone.drain()
        phone.join(ROOM, after=0)

    assert tell(story) == []
