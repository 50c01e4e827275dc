"""The relay between this process and a channel layer that forgets, fails, and does not let go."""

import asyncio
from itertools import pairwise
from typing import Any

from messaging.fanout.layer import room_group
from messaging.fanout.relay import PING_S, RENEW_S, Relay
from messaging.wire.limits import Limits
from rooms.events import Notice
from tests.unit.examples import ROOM

HOUR_S = 3600.0


class FakeLayer:
    """Delivers what is put into `messages`, and records what it is asked to do.

    A ping never returns: its task waits, and hours of virtual time cost nothing.
    """

    def __init__(self) -> None:
        self.channels = 0
        self.messages: asyncio.Queue[Any] = asyncio.Queue()
        self.added: list[tuple[str, float]] = []  # each group, and when
        self.discarded: list[str] = []
        self.failures = 0  # how many calls of `group_add` fail before one works
        self.swallowed = 0  # cancellations of a ping

    async def new_channel(self) -> str:
        self.channels += 1
        return f"channel-{self.channels}"

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:  # as clients of Redis have been seen to do
            self.swallowed += 1

    async def receive(self, channel: str) -> dict[str, Any]:
        message: dict[str, Any] = await self.messages.get()
        return message

    async def group_add(self, group: str, channel: str) -> None:
        if self.failures:
            self.failures -= 1
            raise ConnectionError("the layer is down")
        self.added.append((group, asyncio.get_running_loop().time()))

    async def group_discard(self, group: str, channel: str) -> None:
        self.discarded.append(group)

    async def group_send(self, group: str, message: dict[str, Any]) -> None: ...


class Process:
    """A relay on a fake layer, and what it delivered."""

    def __init__(self) -> None:
        self.layer = FakeLayer()
        self.delivered: list[Notice] = []
        self.relay = Relay(
            self.layer,
            loop=asyncio.get_running_loop(),
            limits=Limits(relay_timeout_s=1_000_000),  # a ping waits for as long
            deliver=self.delivered.extend,
            caught_up=lambda group: None,
        )


async def test_it_renews_its_groups_though_another_room_is_followed_every_hour() -> None:
    process = Process()
    process.relay.follow(room_group(ROOM))

    for hour in range(24):
        process.relay.follow(f"room.{hour}")
        await asyncio.sleep(HOUR_S)
    await process.relay.close()

    times = [at for group, at in process.layer.added if group == room_group(ROOM)]
    assert len(times) == 24 * HOUR_S // RENEW_S
    assert max(later - earlier for earlier, later in pairwise(times)) <= RENEW_S + 1


async def test_it_leaves_a_group_whose_room_was_unfollowed_while_it_could_not_be_renewed() -> None:
    process = Process()
    process.relay.follow(room_group(ROOM))
    await asyncio.sleep(RENEW_S - 1)
    process.layer.failures = 1
    await asyncio.sleep(1.5)

    process.relay.unfollow(room_group(ROOM))
    await asyncio.sleep(10)
    await process.relay.close()

    assert process.layer.discarded == [room_group(ROOM)]


async def test_it_subscribes_to_all_groups_once_the_layer_works_again() -> None:
    process = Process()
    process.layer.failures = 3
    process.relay.follow(room_group(ROOM))
    process.relay.follow("room.other")

    await asyncio.sleep(10)
    await process.relay.close()

    assert {group for group, _ in process.layer.added} == {room_group(ROOM), "room.other"}


# -- the end ------------------------------------------------------------------------------------------------------


async def test_it_closes_though_the_layer_swallows_a_cancellation() -> None:
    process = Process()
    await asyncio.sleep(PING_S * 1.5)

    async with asyncio.timeout(5):
        await process.relay.close()

    assert process.layer.swallowed == 1
    assert len(asyncio.all_tasks()) == 1
