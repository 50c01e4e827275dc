"""Sockets that take less than there is: they fall behind, and catch up from the ring or from the log."""

import asyncio

from messaging.fanout.feed import CHUNK_BYTES
from rooms.events import UserNotice
from tests.unit.examples import ALICE, BOB, OTHER_ROOM, ROOM
from tests.unit.rooms import HEALED_S, LONG_S, READ_S, House, Socket


async def test_it_lets_a_congested_socket_fall_behind(house: House) -> None:
    slow, fast = Socket(ALICE.id), Socket(BOB.id)
    house.follow(slow)
    house.follow(fast)
    house.happen()
    slow.congested = True

    house.happen(2)
    assert (slow.seqs, fast.seqs) == ([1], [1, 2, 3])
    slow.drain(house.hub)
    house.happen()

    assert slow.seqs == fast.seqs == [1, 2, 3, 4]
    assert house.log.reads == []


async def test_it_lets_a_socket_catch_up_from_the_log(small: House) -> None:
    slow = Socket()
    small.follow(slow)
    slow.congested = True
    for _ in range(12):
        small.happen()

    slow.drain(small.hub)
    small.happen()
    await asyncio.sleep(LONG_S)

    assert slow.seqs == list(range(1, 14))
    assert small.log.reads == [(ROOM, 0), (ROOM, 5)]  # the rest is in the ring


async def test_it_stops_again_wherever_a_socket_is_congested_again(small: House) -> None:
    slow = Socket(room_for=CHUNK_BYTES)
    small.follow(slow)
    slow.congested = True
    for _ in range(20):
        small.happen(size=CHUNK_BYTES // 2)

    for _ in range(10):
        slow.drain(small.hub)
        await asyncio.sleep(READ_S * 2)
        assert slow.taken <= 2 * CHUNK_BYTES

    assert slow.seqs == list(range(1, 21))


async def test_it_writes_a_live_follower_no_more_than_it_takes(house: House) -> None:
    slow = Socket(room_for=1)
    house.follow(slow)

    house.happen(10, size=CHUNK_BYTES // 2)

    assert slow.seqs == [1, 2]
    slow.drain(house.hub)
    await asyncio.sleep(HEALED_S)
    assert slow.seqs == [1, 2, 3, 4]


async def test_it_queues_nothing_for_a_congested_socket_however_long(small: House) -> None:
    slow = Socket()
    small.follow(slow)
    slow.congested = True

    for _ in range(100):
        small.happen()
    await asyncio.sleep(LONG_S)

    assert (slow.seqs, small.log.reads) == ([], [])


async def test_it_writes_nothing_of_a_page_to_a_socket_that_congested_while_it_was_read(small: House) -> None:
    slow = Socket()
    small.log.commit(8)
    small.follow(slow, after=0)

    slow.congested = True
    await asyncio.sleep(LONG_S)
    assert slow.seqs == []
    slow.drain(small.hub)
    await asyncio.sleep(LONG_S)

    assert slow.seqs == list(range(1, 9))


async def test_it_goes_on_in_every_room_that_a_drained_socket_follows(house: House) -> None:
    slow = Socket()
    house.follow(slow)
    house.follow(slow, OTHER_ROOM)
    slow.congested = True
    house.happen(2)
    house.happen(2, room=OTHER_ROOM)

    slow.drain(house.hub)

    assert sorted(slow.seqs) == [1, 1, 2, 2]


async def test_it_drops_what_has_no_seq_before_a_congested_socket(house: House) -> None:
    alice = Socket()
    house.hub.register(alice)
    alice.congested = True

    house.hub.publish([UserNotice(user_id=ALICE.id, payload=b"7")])
    alice.drain(house.hub)

    assert alice.seqs == []
