"""Both kinds of sockets go through the same states."""

import asyncio
from collections.abc import Callable

import pytest

from messaging.transport.socket import SocketState
from messaging.wire.closes import DRAINING, SESSION_REVOKED, SLOW_READER
from messaging.wire.framing import Frames
from tests.unit.clients import LARGE, AsgiClient, Client, DirectClient, congest, state_of

REPLY, EVENT = Frames((b"reply",)), Frames((b"event",))


@pytest.fixture(params=[DirectClient, AsgiClient], ids=["direct", "asgi"])
async def client(request: pytest.FixtureRequest) -> Client:
    make: Callable[[], Client] = request.param
    return make()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def tasks() -> int:
    return len(asyncio.all_tasks()) - 1


async def test_it_works(client: Client) -> None:
    client.socket.write(REPLY)
    assert client.socket.offer(EVENT)
    await settle()

    assert client.received == [b"reply", b"event"]
    assert state_of(client) is SocketState.OPEN
    assert tasks() == 0


async def test_it_writes_what_is_deferred_in_its_turn(client: Client) -> None:
    client.socket.write_soon(b"reply")
    client.socket.write(EVENT)
    await settle()

    assert client.received == [b"reply", b"event"]


async def test_it_is_congested_while_the_client_does_not_read(client: Client) -> None:
    congest(client)
    await settle()
    assert state_of(client) is SocketState.CONGESTED
    assert client.socket.congested
    assert not client.socket.ignores_frames
    assert not client.socket.offer(EVENT)
    assert client.drained == []

    client.read_again()
    await settle()

    assert state_of(client) is SocketState.OPEN
    assert not client.socket.congested
    assert client.drained == [client.socket]
    assert client.received == [LARGE]


async def test_readers_wait_while_it_is_congested(client: Client) -> None:
    await client.socket.writable()
    congest(client)
    reader = asyncio.create_task(client.socket.writable())
    await settle()
    assert not reader.done()

    client.read_again()
    await settle()

    assert reader.done()


async def test_only_the_first_close_counts(client: Client) -> None:
    client.socket.close(SESSION_REVOKED)
    client.socket.close(DRAINING)
    await settle()

    assert client.close_codes == [SESSION_REVOKED.code]
    assert state_of(client) is SocketState.CLOSED
    assert tasks() == 0


async def test_what_was_written_before_a_close_is_sent_first(client: Client) -> None:
    client.socket.write(EVENT)
    client.socket.write_soon(b"reply")
    client.socket.close(DRAINING)
    await settle()

    assert client.received == [b"event", b"reply"]
    assert client.close_codes == [DRAINING.code]


async def test_nothing_is_written_after_a_close(client: Client) -> None:
    client.socket.write(EVENT)
    client.socket.close(DRAINING)
    client.socket.write(REPLY)
    client.socket.write_soon(b"reply")
    await settle()
    client.socket.write(REPLY)
    client.socket.write_soon(b"reply")
    await settle()
    client.read_again()

    assert client.received == [b"event"]
    assert client.close_codes == [DRAINING.code]
    assert not client.socket.offer(EVENT)
    assert client.socket.ignores_frames


async def test_a_close_frees_the_readers_of_a_congested_socket(client: Client) -> None:
    congest(client)
    reader = asyncio.create_task(client.socket.writable())
    await settle()

    client.socket.close(SLOW_READER)
    await settle()
    assert reader.done()
    client.read_again()
    await settle()

    assert client.close_codes == [SLOW_READER.code]
    assert client.drained == []
    assert state_of(client) is SocketState.CLOSED


async def test_it_leaves_when_its_sends_are_answered(client: Client) -> None:
    await client.socket.window.acquire()
    leaving = asyncio.create_task(client.socket.leave(DRAINING))
    await settle()
    assert state_of(client) is SocketState.LEAVING
    assert client.socket.ignores_frames

    client.socket.write(REPLY)
    await settle()
    client.socket.window.release()
    await leaving
    await settle()

    assert client.received == [b"reply"]
    assert client.close_codes == [DRAINING.code]


async def test_it_can_be_congested_while_it_leaves(client: Client) -> None:
    await client.socket.window.acquire()
    leaving = asyncio.create_task(client.socket.leave(DRAINING))
    await settle()
    congest(client)
    await settle()
    assert state_of(client) is SocketState.LEAVING_CONGESTED

    client.read_again()
    await settle()
    assert state_of(client) is SocketState.LEAVING
    assert client.drained == [client.socket]
    client.socket.window.release()
    await leaving
    await settle()

    assert client.received == [LARGE]
    assert client.close_codes == [DRAINING.code]


async def test_a_lost_connection_ends_it(client: Client) -> None:
    congest(client)
    reader = asyncio.create_task(client.socket.writable())
    await settle()

    client.vanish()
    await settle()
    client.socket.write(REPLY)
    client.socket.close(DRAINING)
    await settle()

    assert state_of(client) is SocketState.CLOSED
    assert reader.done()
    assert (client.received, client.close_codes, client.drained) == ([], [], [])
    assert tasks() == 0


async def test_a_consumer_that_ends_ends_it(client: Client) -> None:
    congest(client)
    await settle()

    client.socket.stop()
    await settle()

    assert state_of(client) is SocketState.CLOSED
    assert tasks() == 0
