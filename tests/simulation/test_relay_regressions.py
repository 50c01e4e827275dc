"""A defect of the relay that the simulation found: a channel was lost while a group was being added."""

import asyncio
import random

from messaging.fanout.layer import room_group
from messaging.fanout.relay import ECHO_TIMEOUT_S, RETRY_S, Relay, publish_one
from messaging.wire.limits import Limits
from rooms.notices import Notice, RoomHint
from tests.simulation.layer import LossyLayer
from tests.unit.examples import ROOM
from tests.unit.virtual_time import run


class NoFaults(random.Random):
    """A random number generator with which a `LossyLayer` loses, doubles and delays nothing."""

    def random(self) -> float:
        return 1.0

    def choice(self, seq: object) -> float:  # type: ignore[override]
        return 0.0


class Process:
    """A relay on a layer without losses, and the notices that it delivered. Must be made on a running loop."""

    def __init__(self) -> None:
        self.layer = LossyLayer(rng=NoFaults())
        self.delivered: list[Notice] = []
        self.relay = Relay(
            self.layer,
            loop=asyncio.get_running_loop(),
            limits=Limits(),
            deliver=self.delivered.extend,
            on_subscribed=lambda group: None,
        )

    async def lose_channel(self) -> None:
        """Makes the layer fail for a moment, so that the pending call of `receive` raises."""
        self.layer.go_down("raises")
        self.layer.come_up()
        await asyncio.sleep(0)


def test_it_works() -> None:
    async def scenario() -> None:
        process = Process()
        process.relay.subscribe(room_group(ROOM))
        await asyncio.sleep(ECHO_TIMEOUT_S)

        await publish_one(process.layer, RoomHint(room_id=ROOM, seq=7), limits=Limits())
        await asyncio.sleep(0.1)

        assert process.delivered == [RoomHint(room_id=ROOM, seq=7)]
        await process.relay.close()

    run(scenario())


def test_it_receives_from_a_group_that_was_being_added_when_its_channel_was_lost() -> None:
    async def scenario() -> None:
        process = Process()
        await asyncio.sleep(0.1)
        process.layer.call_s = RETRY_S + 0.5  # below the timeout of the relay
        process.relay.subscribe(room_group(ROOM))
        await asyncio.sleep(0.1)
        await process.lose_channel()
        await asyncio.sleep(10 * RETRY_S)

        await publish_one(process.layer, RoomHint(room_id=ROOM, seq=7), limits=Limits())
        await asyncio.sleep(0.1)

        assert process.relay.is_healthy
        assert process.delivered == [RoomHint(room_id=ROOM, seq=7)]

    run(scenario())
