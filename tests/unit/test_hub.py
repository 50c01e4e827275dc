"""The hub: whatever comes, in whatever order, each follower gets the order of the log, each entry once."""

import asyncio

from rooms.events import RoomHint
from tests.unit.examples import ALICE, BOB, OTHER_ROOM, ROOM
from tests.unit.rooms import LONG_S, House, Socket


async def test_it_works(house: House) -> None:
    alice, bob = Socket(ALICE.id), Socket(BOB.id)
    house.follow(alice)
    house.follow(bob)

    house.happen()
    house.happen(2)

    assert alice.seqs == bob.seqs == [1, 2, 3]
    assert house.log.reads == []


async def test_it_writes_only_to_followers(house: House) -> None:
    alice, bob, stranger = Socket(), Socket(), Socket()
    house.follow(alice)
    house.follow(bob, OTHER_ROOM)
    house.hub.register(stranger)

    house.happen()
    house.happen(2, room=OTHER_ROOM)

    assert (alice.seqs, bob.seqs, stranger.seqs) == ([1], [1, 2], [])


async def test_it_takes_notices_of_many_rooms_at_once(house: House) -> None:
    alice = Socket()
    house.follow(alice)
    house.follow(alice, OTHER_ROOM)

    tea, plaza = house.log.commit(2), house.log.commit(2, room=OTHER_ROOM)
    house.hub.publish([plaza[1], tea[0], plaza[0], tea[1]])

    assert sorted(alice.seqs) == [1, 1, 2, 2]


async def test_it_puts_notices_in_order(house: House) -> None:
    alice = Socket()
    house.follow(alice)
    first, second, third = house.log.commit(3)

    house.hub.publish([third, first])
    assert alice.seqs == [1]
    house.hub.publish([second])

    assert alice.seqs == [1, 2, 3]


async def test_it_ignores_doubled_and_late_notices(house: House) -> None:
    alice = Socket()
    house.follow(alice)
    new = house.happen(3)

    house.hub.publish([*new, *new])
    house.hub.publish([new[0]])
    await asyncio.sleep(LONG_S)

    assert alice.seqs == [1, 2, 3]
    assert house.log.reads == []


async def test_it_says_whether_a_hint_was_news(house: House) -> None:
    house.follow(Socket())

    assert house.hub.hint(RoomHint(room_id=ROOM, seq=1))
    assert not house.hub.hint(RoomHint(room_id=ROOM, seq=1))
    assert not house.hub.hint(RoomHint(room_id=OTHER_ROOM, seq=1))


async def test_it_leaves_no_task_and_no_timer_behind(small: House) -> None:
    alice, bob = Socket(ALICE.id), Socket(BOB.id)
    small.log.commit(8)
    small.follow(alice, after=0)  # a page is being read
    small.follow(bob, OTHER_ROOM)
    small.log.commit(2, room=OTHER_ROOM)
    small.hub.publish([RoomHint(room_id=OTHER_ROOM, seq=2)])  # a timer is set
    await asyncio.sleep(0)

    await small.hub.close()
    reads = len(small.log.reads)
    await asyncio.sleep(LONG_S)

    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert len(small.log.reads) == reads
    assert alice.seqs == bob.seqs == []
