"""What only a direct socket has: an outlet, deferred replies, and its place among the hub's unready sinks."""

import asyncio

from messaging.fanout.feed import Feed, Follower
from messaging.transport.socket import SocketState
from messaging.wire.closes import DRAINING
from messaging.wire.framing import Frames, frame_text
from messaging.wire.limits import Limits
from tests.unit.clients import DirectClient, congest, state_of
from tests.unit.examples import ROOM

EVENT = Frames((b"event",))


def live_in(client: DirectClient) -> Feed:
    """A room that the socket follows."""
    feed = Feed(ROOM, limits=Limits())
    follower = Follower(feed, client.socket)
    feed.make_live(follower)
    client.socket.followers[ROOM] = follower
    return feed


async def test_it_works() -> None:
    client = DirectClient()
    assert client.socket.outlet is not None
    assert client.socket.outlet(EVENT.wire) == len(EVENT.wire)

    assert client.received == [b"event"]


async def test_it_has_the_connection_keep_what_the_kernel_does_not_take() -> None:
    client = DirectClient()
    client.takes = 3
    client.socket.write(EVENT)
    assert client.writes == [EVENT.wire[:3]]
    assert client.socket.congested

    client.read_again()

    assert client.received == [b"event"]


async def test_it_does_not_use_the_outlet_while_the_connection_keeps_something() -> None:
    client = DirectClient()
    client.takes = 3
    client.socket.write(EVENT)
    client.takes = 2**20
    client.socket.write(EVENT)
    assert client.writes == [EVENT.wire[:3]]
    client.read_again()

    assert client.received == [b"event", b"event"]


async def test_it_puts_deferred_replies_and_an_event_into_one_write() -> None:
    client = DirectClient()
    client.socket.write_soon(b"one")
    client.socket.write_soon(b"two")
    assert client.writes == []
    client.socket.write(EVENT)

    assert client.writes == [frame_text(b"one") + frame_text(b"two") + EVENT.wire]


async def test_it_writes_deferred_replies_at_the_end_of_the_turn() -> None:
    client = DirectClient()
    client.socket.write_soon(b"reply")
    await asyncio.sleep(0)

    assert client.received == [b"reply"]


async def test_it_writes_deferred_replies_before_a_close() -> None:
    client = DirectClient()
    client.socket.write_soon(b"reply")
    client.socket.close(DRAINING)

    assert client.received == [b"reply"]
    assert client.close_codes == [DRAINING.code]


async def test_it_is_unready_while_a_reply_is_deferred() -> None:
    client = DirectClient()
    assert len(client.unready) == 0
    client.socket.write_soon(b"reply")
    assert len(client.unready) == 1
    await asyncio.sleep(0)

    assert len(client.unready) == 0


async def test_it_is_unready_while_it_is_congested() -> None:
    client = DirectClient()
    congest(client)
    assert len(client.unready) == 1
    client.read_again()

    assert len(client.unready) == 0


async def test_it_is_not_unready_after_its_end() -> None:
    client = DirectClient()
    congest(client)
    client.socket.write_soon(b"reply")
    client.vanish()
    client.socket.write_soon(b"reply")
    client.socket.filled()
    await asyncio.sleep(0)

    assert len(client.unready) == 0


async def test_it_loses_its_outlet_when_it_closes() -> None:
    client = DirectClient()
    feed = live_in(client)
    assert feed.roster().outlets == [client.socket.outlet]
    client.socket.close(DRAINING)

    assert client.socket.outlet is None
    assert feed.roster().outlets == []
    assert feed.roster().without_outlet == [client.socket]


async def test_it_loses_its_outlet_with_the_connection() -> None:
    client = DirectClient()
    feed = live_in(client)
    feed.roster()
    client.vanish()

    assert client.socket.outlet is None
    assert feed.roster().outlets == []


async def test_it_writes_through_an_encrypted_connection() -> None:
    client = DirectClient(is_encrypted=True)
    client.socket.write(EVENT)

    assert client.socket.outlet is None
    assert client.received == [b"event"]
    assert state_of(client) is SocketState.OPEN


async def test_it_is_closed_on_a_connection_that_is_over() -> None:
    client = DirectClient(is_over=True)
    client.socket.write(EVENT)

    assert state_of(client) is SocketState.CLOSED
    assert client.received == []
