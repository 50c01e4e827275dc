"""What only an ASGI socket has: a bounded queue, and a deadline for slow readers of its own."""

import asyncio

from messaging.transport.socket import SocketState
from messaging.wire.closes import SESSION_REVOKED, SLOW_READER
from messaging.wire.framing import Frames
from tests.unit.clients import LARGE, MAX_BYTES, STALLED_S, AsgiClient, congest, state_of


async def test_it_works() -> None:
    client = AsgiClient()
    client.socket.write(Frames((b"one", b"two")))
    await asyncio.sleep(0)

    assert client.received == [b"one", b"two"]
    assert client.socket.outlet is None


async def test_it_queues_up_to_its_bound() -> None:
    client = AsgiClient()
    client.stop_reading()
    client.socket.write(Frames((b"x" * MAX_BYTES,)))
    assert not client.socket.congested
    client.socket.write(Frames((b"x",)))

    assert client.socket.congested


async def test_it_closes_a_client_that_takes_nothing_for_too_long() -> None:
    client = AsgiClient()
    congest(client)
    await asyncio.sleep(STALLED_S - 0.1)
    assert state_of(client) is SocketState.CONGESTED
    await asyncio.sleep(0.2)
    assert state_of(client) is SocketState.CLOSING

    client.read_again()
    await asyncio.sleep(0)

    assert client.close_codes == [SLOW_READER.code]
    assert client.received == []


async def test_it_gives_a_client_that_takes_something_more_time() -> None:
    client = AsgiClient()
    for _ in range(3):
        congest(client)
        await asyncio.sleep(STALLED_S - 0.1)
        client.read_again()
        await asyncio.sleep(0)

    assert client.received == [LARGE] * 3
    assert state_of(client) is SocketState.OPEN


async def test_it_tells_a_client_that_stalls_why_it_was_closed_before() -> None:
    client = AsgiClient()
    congest(client)
    await asyncio.sleep(0)
    client.socket.close(SESSION_REVOKED)
    await asyncio.sleep(2 * STALLED_S)
    assert client.close_codes == []

    client.read_again()
    await asyncio.sleep(0)

    assert client.close_codes == [SESSION_REVOKED.code]
