"""The relay on a channel layer that forgets groups, fails, sends nonsense, and swallows cancellations."""

import asyncio
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest

from messaging.fanout.layer import MESSAGE_TYPE, encode_message, room_group
from messaging.fanout.relay import PING_S, RENEW_S, Relay
from messaging.wire.limits import Limits
from rooms.notices import Notice
from tests.unit.examples import OTHER_ROOM, ROOM
from tests.unit.in_memory import notice

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
        except asyncio.CancelledError:  # clients of Redis have been seen to do this
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
    """A relay on a fake layer, and what it delivered. The first `failures` calls of `deliver` raise."""

    def __init__(self, *, on_subscribed: Callable[[str], None] = lambda group: None) -> None:
        self.layer = FakeLayer()
        self.delivered: list[Notice] = []
        self.failures = 0
        self.relay = Relay(
            self.layer,
            loop=asyncio.get_running_loop(),
            limits=Limits(relay_timeout_s=1_000_000),  # so that a ping does not time out
            deliver=self.deliver,
            on_subscribed=on_subscribed,
        )

    def deliver(self, notices: Sequence[Notice]) -> None:
        if self.failures:
            self.failures -= 1
            raise ValueError("a fault of ours")
        self.delivered += notices


async def test_it_renews_its_groups_though_another_room_is_followed_every_hour() -> None:
    process = Process()
    process.relay.subscribe(room_group(ROOM))

    for hour in range(24):
        process.relay.subscribe(f"room.{hour}")
        await asyncio.sleep(HOUR_S)
    await process.relay.close()

    times = [at for group, at in process.layer.added if group == room_group(ROOM)]
    assert len(times) == 24 * HOUR_S // RENEW_S
    assert max(later - earlier for earlier, later in pairwise(times)) <= RENEW_S + 1


async def test_it_leaves_a_group_whose_room_was_unfollowed_while_it_could_not_be_renewed() -> None:
    process = Process()
    process.relay.subscribe(room_group(ROOM))
    await asyncio.sleep(RENEW_S - 1)
    process.layer.failures = 1
    await asyncio.sleep(1.5)

    process.relay.unsubscribe(room_group(ROOM))
    await asyncio.sleep(10)
    await process.relay.close()

    assert process.layer.discarded == [room_group(ROOM)]


async def test_it_subscribes_to_all_groups_once_the_layer_works_again() -> None:
    process = Process()
    process.layer.failures = 3
    process.relay.subscribe(room_group(ROOM))
    process.relay.subscribe("room.other")

    await asyncio.sleep(10)
    await process.relay.close()

    assert {group for group, _ in process.layer.added} == {room_group(ROOM), "room.other"}


async def test_it_delivers_what_others_publish() -> None:
    process = Process()

    process.layer.messages.put_nowait(encode_message("other", [notice(1), notice(2)]))
    await asyncio.sleep(0.1)
    await process.relay.close()

    assert process.delivered == [notice(1), notice(2)]


# -- errors -------------------------------------------------------------------------------------------------------


async def test_an_error_while_delivering_is_logged_and_no_failure_of_the_layer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    process = Process()
    process.failures = 1

    process.layer.messages.put_nowait(encode_message("other", [notice(1)]))
    process.layer.messages.put_nowait(encode_message("other", [notice(2)]))
    await asyncio.sleep(0.1)

    assert process.delivered == [notice(2)]
    assert (process.relay.is_healthy, process.layer.channels) == (True, 1)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    await process.relay.close()


@pytest.mark.parametrize(
    "message",
    [
        {"type": MESSAGE_TYPE, "origin": "other", "notices": b"\xc1"},
        {"type": MESSAGE_TYPE, "origin": "other", "notices": b"\x91\x01"},
        {"type": MESSAGE_TYPE, "origin": "other", "notices": None},
        {"type": MESSAGE_TYPE, "origin": "other"},
        {"type": MESSAGE_TYPE},
        [],
        None,
    ],
)
async def test_a_malformed_message_is_skipped_and_no_failure_of_the_layer(
    message: object, caplog: pytest.LogCaptureFixture
) -> None:
    process = Process()

    process.layer.messages.put_nowait(message)
    process.layer.messages.put_nowait(encode_message("other", [notice(1)]))
    await asyncio.sleep(0.1)

    assert process.delivered == [notice(1)]
    assert (process.relay.is_healthy, process.layer.channels) == (True, 1)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    await process.relay.close()


async def test_many_malformed_messages_are_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    process = Process()

    for _ in range(3):
        for _ in range(100):
            process.layer.messages.put_nowait({})
        await asyncio.sleep(61)
    await process.relay.close()

    assert sum("malformed" in record.getMessage() for record in caplog.records) == 3


async def test_an_error_while_a_subscription_is_reported_is_logged_and_no_failure_of_the_layer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def raise_error(group: str) -> None:
        raise ValueError("a fault of ours")

    process = Process(on_subscribed=raise_error)
    process.relay.subscribe(room_group(ROOM))
    process.relay.subscribe(room_group(OTHER_ROOM))
    await asyncio.sleep(0.1)

    assert process.relay.is_healthy
    assert {group for group, _ in process.layer.added} == {room_group(ROOM), room_group(OTHER_ROOM)}
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    await process.relay.close()


# -- the end ------------------------------------------------------------------------------------------------------


async def test_it_closes_though_the_layer_swallows_a_cancellation() -> None:
    process = Process()
    await asyncio.sleep(PING_S * 1.5)

    async with asyncio.timeout(5):
        await process.relay.close()

    assert process.layer.swallowed == 1
    assert len(asyncio.all_tasks()) == 1
