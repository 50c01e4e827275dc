"""What the simulation found in the relay: a channel that is lost while groups are being added."""

import asyncio
import random

from messaging.fanout.layer import room_group
from messaging.fanout.relay import ECHO_TIMEOUT_S, RETRY_S, Relay, publish_one
from messaging.wire.limits import Limits
from rooms.events import Notice, RoomHint
from tests.simulation.layer import LossyLayer
from tests.unit.examples import ROOM
from tests.unit.virtual_time import run


class KindFate(random.Random):
    """Nothing is lost, doubled or late."""

    def random(self) -> float:
        return 1.0

    def choice(self, seq: object) -> float:  # type: ignore[override]
        return 0.0


class Ears:
    """A relay on a layer without losses, and what it heard. Wants a running loop."""

    def __init__(self) -> None:
        self.layer = LossyLayer(fate=KindFate())
        self.heard: list[Notice] = []
        self.relay = Relay(
            self.layer,
            loop=asyncio.get_running_loop(),
            limits=Limits(),
            deliver=self.heard.extend,
            on_subscribed=lambda group: None,
        )

    async def lose_channel(self) -> None:
        """The layer fails for an instant: who receives is told."""
        self.layer.go_down("raises")
        self.layer.come_up()
        await asyncio.sleep(0)


def test_it_works() -> None:
    async def live() -> None:
        ears = Ears()
        ears.relay.subscribe(room_group(ROOM))
        await asyncio.sleep(ECHO_TIMEOUT_S)

        await publish_one(ears.layer, RoomHint(room_id=ROOM, seq=7), limits=Limits())
        await asyncio.sleep(0.1)

        assert ears.heard == [RoomHint(room_id=ROOM, seq=7)]
        await ears.relay.close()

    run(live())


def test_it_hears_a_group_that_was_being_added_when_the_channel_was_lost() -> None:
    async def live() -> None:
        ears = Ears()
        await asyncio.sleep(0.1)
        ears.layer.call_s = RETRY_S + 0.5  # within the relay's own timeout
        ears.relay.subscribe(room_group(ROOM))
        await asyncio.sleep(0.1)
        await ears.lose_channel()
        await asyncio.sleep(10 * RETRY_S)

        await publish_one(ears.layer, RoomHint(room_id=ROOM, seq=7), limits=Limits())
        await asyncio.sleep(0.1)

        assert ears.relay.is_healthy
        assert ears.heard == [RoomHint(room_id=ROOM, seq=7)]

    run(live())
