"""Defects that the simulation found, each as the shortest scenario that shows it."""

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

ITERATIONS = range(8)  # of the loop, in which a request is read and the database is called
STALLED_S = LIMITS.stalled_writer_s + 1

Scenario = Callable[[World], Coroutine[Any, Any, None]]


def faults_in(scenario: Scenario) -> list[str]:
    """Runs `scenario` in a world whose layer drops every message, then settles. Returns all faults."""

    async def run_scenario() -> list[str]:
        world = World(seed=1)
        world.layer.go_down("drops")
        await asyncio.sleep(ARRIVAL_S)
        await scenario(world)
        await world.settle()
        return world.faults + world.settled_faults() + await world.close()

    return run(run_scenario())


def device(world: World, name: str) -> Client:
    return next(client for client in world.clients if client.name == name)


def test_it_works() -> None:
    async def scenario(world: World) -> None:
        assert all(client.streams[ROOM].last == 3 for client in world.clients)

    assert faults_in(scenario) == []


def test_it_keeps_delivering_to_a_member_who_joins_again_before_an_earlier_removal_arrives() -> None:
    async def scenario(world: World) -> None:
        bob = device(world, "bob")
        other = 1 - world.workers.index(bob.served_by)
        world.remove(ROOM, BOB, worker=other)
        world.add(ROOM, BOB, worker=other)
        bob.join(ROOM, after=None)

    assert faults_in(scenario) == []


@pytest.mark.parametrize("iterations", ITERATIONS)
@pytest.mark.parametrize("room", [ROOM, OTHER_ROOM])
def test_it_keeps_delivering_to_a_member_who_joins_again_while_their_removal_arrives(
    room: UUID, iterations: int
) -> None:
    async def scenario(world: World) -> None:
        bob = device(world, "bob")
        worker = world.workers.index(bob.served_by)
        bob.join(room, after=None)
        await asyncio.sleep(ARRIVAL_S)
        bob.join(room, after=None)
        for _ in range(iterations):
            await asyncio.sleep(0)
        world.remove(room, BOB, worker=worker)
        if room == ROOM:
            world.add(room, BOB, worker=worker)

    assert faults_in(scenario) == []


def test_it_releases_the_socket_of_a_client_that_disconnects_while_it_does_not_read() -> None:
    async def scenario(world: World) -> None:
        phone = device(world, "bob-2")
        phone.congest()
        phone.send(ROOM)
        device(world, "alice").send(ROOM, count=4)
        await asyncio.sleep(ARRIVAL_S)
        phone.send(ROOM)
        phone.drop()

    assert faults_in(scenario) == []


def test_it_releases_the_socket_of_a_client_that_disconnects_while_it_is_far_behind() -> None:
    async def scenario(world: World) -> None:
        phone = device(world, "bob-2")
        phone.congest()
        device(world, "alice").send(ROOM, count=20)
        await asyncio.sleep(ARRIVAL_S)
        phone.send(ROOM)
        phone.drop()

    assert faults_in(scenario) == []


def test_it_releases_the_socket_of_a_slow_reader_that_it_has_closed() -> None:
    async def scenario(world: World) -> None:
        phone = device(world, "bob-2")
        phone.congest()
        device(world, "alice").send(ROOM, count=20)
        await asyncio.sleep(ARRIVAL_S)
        phone.send(ROOM)
        await asyncio.sleep(STALLED_S)
        phone.drain()

    assert faults_in(scenario) == []


def test_it_releases_a_socket_that_is_closed_as_draining_while_its_client_does_not_read() -> None:
    async def scenario(world: World) -> None:
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

    assert faults_in(scenario) == []


def test_it_writes_nothing_to_a_socket_that_it_has_closed() -> None:
    async def scenario(world: World) -> None:
        bob = device(world, "bob")
        bob.send(ROOM)
        await asyncio.sleep(ARRIVAL_S)
        # The removal is published in the next iteration of the loop.
        world.remove(ROOM, CHARLIE, worker=world.workers.index(bob.served_by))
        for sink in bob.served_by.hub.sinks_of(BOB.id):
            sink.close(DRAINING)

    assert faults_in(scenario) == []


def test_it_serves_or_closes_a_client_that_reads_again_after_a_long_pause() -> None:
    async def scenario(world: World) -> None:
        phone = device(world, "bob-2")
        phone.congest()
        device(world, "alice").send(ROOM, count=20)
        await asyncio.sleep(2 * STALLED_S)
        phone.drain()
        phone.join(ROOM, after=0)

    assert faults_in(scenario) == []
