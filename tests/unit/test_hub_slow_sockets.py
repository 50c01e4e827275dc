"""Sockets that do not keep up: they fall behind, and catch up from the ring or from the log."""

import asyncio

from messaging.fanout.feed import CHUNK_BYTES
from tests.unit.examples import ALICE, BOB, OTHER_ROOM, ROOM
from tests.unit.in_memory import LONG_S, READ_S, REFILLED_S, FakeSocket, InMemoryChat


async def test_it_lets_a_congested_socket_fall_behind(chat: InMemoryChat) -> None:
    slow, fast = FakeSocket(ALICE.id), FakeSocket(BOB.id)
    chat.follow(slow)
    chat.follow(fast)
    chat.post()
    slow.congested = True

    chat.post(2)
    assert (slow.seqs, fast.seqs) == ([1], [1, 2, 3])
    slow.drain(chat.hub)
    chat.post()

    assert slow.seqs == fast.seqs == [1, 2, 3, 4]
    assert chat.log.reads == []


async def test_it_lets_a_socket_catch_up_from_the_log(small_chat: InMemoryChat) -> None:
    slow = FakeSocket()
    small_chat.follow(slow)
    slow.congested = True
    for _ in range(12):
        small_chat.post()

    slow.drain(small_chat.hub)
    small_chat.post()
    await asyncio.sleep(LONG_S)

    assert slow.seqs == list(range(1, 14))
    assert small_chat.log.reads == [(ROOM, 0), (ROOM, 5)]  # the rest is replayed from the ring


async def test_it_stops_when_a_socket_is_congested_again(small_chat: InMemoryChat) -> None:
    slow = FakeSocket(capacity=CHUNK_BYTES)
    small_chat.follow(slow)
    slow.congested = True
    for _ in range(20):
        small_chat.post(size=CHUNK_BYTES // 2)

    for _ in range(10):
        slow.drain(small_chat.hub)
        await asyncio.sleep(READ_S * 2)
        assert slow.written_bytes <= 2 * CHUNK_BYTES

    assert slow.seqs == list(range(1, 21))


async def test_it_writes_no_more_to_a_live_follower_than_it_takes(chat: InMemoryChat) -> None:
    slow = FakeSocket(capacity=1)
    chat.follow(slow)

    chat.post(10, size=CHUNK_BYTES // 2)

    assert slow.seqs == [1, 2]
    slow.drain(chat.hub)
    await asyncio.sleep(REFILLED_S)
    assert slow.seqs == [1, 2, 3, 4]


async def test_it_queues_nothing_for_a_congested_socket(small_chat: InMemoryChat) -> None:
    slow = FakeSocket()
    small_chat.follow(slow)
    slow.congested = True

    for _ in range(100):
        small_chat.post()
    await asyncio.sleep(LONG_S)

    assert (slow.seqs, small_chat.log.reads) == ([], [])


async def test_it_writes_no_page_to_a_socket_that_congested_while_it_was_read(small_chat: InMemoryChat) -> None:
    slow = FakeSocket()
    small_chat.log.commit(8)
    small_chat.follow(slow, after=0)

    slow.congested = True
    await asyncio.sleep(LONG_S)
    assert slow.seqs == []
    slow.drain(small_chat.hub)
    await asyncio.sleep(LONG_S)

    assert slow.seqs == list(range(1, 9))


async def test_it_goes_on_in_every_room_that_a_drained_socket_follows(chat: InMemoryChat) -> None:
    slow = FakeSocket()
    chat.follow(slow)
    chat.follow(slow, OTHER_ROOM)
    slow.congested = True
    chat.post(2)
    chat.post(2, room=OTHER_ROOM)

    slow.drain(chat.hub)

    assert sorted(slow.seqs) == [1, 1, 2, 2]
