"""What only a direct socket has: an outlet, deferred replies, a place among the hub's unready sinks, a frame queue."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from messaging.fanout.hub import Hub
from messaging.transport.frame_queue import RawFrame
from messaging.transport.socket import SocketState
from messaging.wire.actions import Action, Leave
from messaging.wire.closes import DRAINING
from messaging.wire.framing import Frames, frame_text
from messaging.wire.limits import Limits
from rooms.notices import RoomNotice
from tests.unit.clients import DirectClient, congest, state_of
from tests.unit.examples import ROOM

EVENT, REPLY = Frames((b"event",)), Frames((b"reply",))


class SlowHandler:
    """Answers each frame with `reply` once `may_end` is set."""

    def __init__(self, client: DirectClient) -> None:
        self.client = client
        self.may_end = asyncio.Event()

    def decode(self, data: RawFrame) -> Action:
        return Leave(room=ROOM)

    def handle_now(self, action: Action) -> bool:
        return False

    async def handle(self, action: Action) -> None:
        await self.may_end.wait()
        self.client.socket.write(REPLY)


def close(client: DirectClient) -> None:
    client.socket.close(DRAINING)


def say(client: DirectClient) -> None:
    assert client.on_frame is not None
    client.on_frame("frame")


class Room:
    """A room that the socket follows, on a hub that counts the pages of the log that are read."""

    def __init__(self, client: DirectClient) -> None:
        self.hub = Hub(read_page=self._read_page, loop=asyncio.get_running_loop(), limits=Limits())
        self.hub.release(self.hub.hold(client.socket, ROOM), cursor=0, since=0, head=0)
        self.head = 0

    def happen(self) -> None:
        self.head += 1
        self.hub.publish([RoomNotice(room_id=ROOM, seq=self.head, payload=str(self.head).encode())])

    async def _read_page(self, room_id: UUID, after: int, limit: int) -> Any:
        raise AssertionError("nothing is missing")


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
    await asyncio.sleep(0)
    assert len(client.unready) == 0

    client.socket.filled()

    assert len(client.unready) == 0


@pytest.mark.parametrize("end", [close, DirectClient.vanish])
async def test_the_hub_does_not_write_after_its_end(end: Callable[[DirectClient], None]) -> None:
    client = DirectClient()
    room = Room(client)
    room.happen()
    end(client)
    room.happen()
    room.happen()
    await asyncio.sleep(1)

    assert client.received == [b"1"]
    assert client.socket.outlet is None
    assert room.hub.pages_read == 0
    await room.hub.close()


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


async def test_it_leaves_when_the_running_action_is_answered() -> None:
    client = DirectClient()
    handler = SlowHandler(client)
    client.socket.listen(handler)
    say(client)
    leaving = asyncio.create_task(client.socket.leave(DRAINING))
    await asyncio.sleep(1)
    assert client.close_codes == []

    handler.may_end.set()
    await leaving

    assert client.received == [b"reply"]
    assert client.close_codes == [DRAINING.code]


async def test_it_leaves_without_waiting_for_the_frames_of_a_client_that_does_not_read() -> None:
    client = DirectClient()
    client.socket.listen(SlowHandler(client))
    congest(client)
    say(client)
    await client.socket.leave(DRAINING)

    assert client.close_codes == [DRAINING.code]


async def test_a_consumer_that_ends_cancels_the_running_action() -> None:
    client = DirectClient()
    client.socket.listen(SlowHandler(client))
    say(client)
    await asyncio.sleep(0)
    client.socket.stop()
    await asyncio.sleep(0)

    assert asyncio.all_tasks() == {asyncio.current_task()}
