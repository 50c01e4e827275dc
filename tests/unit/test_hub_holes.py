"""Holes in what the hub hears of a room: they heal, are refilled from the log, or are gaps for good."""

import asyncio

from messaging.fanout.pages import RETRY_S
from rooms.events import RoomHint
from tests.unit.examples import ALICE, BOB, ROOM
from tests.unit.rooms import HEALED_S, LONG_S, PARK_S, READ_S, Caplog, House, Socket, alarms, notice


async def test_it_lets_a_hole_heal_by_itself(house: House) -> None:
    alice = Socket()
    house.follow(alice)
    first, second = house.log.commit(2)

    house.hub.publish([second])
    await asyncio.sleep(PARK_S * 0.9)
    house.hub.publish([first])
    await asyncio.sleep(LONG_S)

    assert alice.seqs == [1, 2]
    assert house.log.reads == []


async def test_it_refills_a_hole_that_stays_from_the_log(house: House) -> None:
    alice, bob = Socket(ALICE.id), Socket(BOB.id)
    house.follow(alice)
    house.follow(bob)
    house.happen()
    new = house.log.commit(4)

    house.hub.publish([new[1], new[3]])
    await asyncio.sleep(HEALED_S)

    assert alice.seqs == bob.seqs == [1, 2, 3, 4, 5]
    assert house.log.reads == [(ROOM, 0)]  # pages lie at multiples of their size


async def test_it_gives_each_hole_a_moment_of_its_own(house: House) -> None:
    alice = Socket()
    house.follow(alice)
    for _ in range(3):
        first, second = house.log.commit(2)
        house.hub.publish([second])
        await asyncio.sleep(PARK_S * 0.6)
        house.hub.publish([first])

    assert alice.seqs == [1, 2, 3, 4, 5, 6]
    assert house.log.reads == []


async def test_it_hears_of_entries_by_a_hint_alone(house: House) -> None:
    alice = Socket()
    house.follow(alice)
    house.log.commit(3)

    house.hub.publish([RoomHint(room_id=ROOM, seq=3)])
    await asyncio.sleep(HEALED_S)

    assert alice.seqs == [1, 2, 3]


async def test_it_ignores_a_hint_of_what_is_known(house: House) -> None:
    alice = Socket()
    house.follow(alice)
    house.happen(3)

    house.hub.publish([RoomHint(room_id=ROOM, seq=3), RoomHint(room_id=ROOM, seq=1)])
    await asyncio.sleep(LONG_S)

    assert house.log.reads == []


async def test_it_refills_a_long_hole_page_by_page(small: House) -> None:
    alice = Socket()
    small.follow(alice)
    small.log.commit(12)

    small.hub.publish([RoomHint(room_id=ROOM, seq=12)])
    await asyncio.sleep(LONG_S)

    assert alice.seqs == list(range(1, 13))
    assert small.log.reads == [(ROOM, 0), (ROOM, 5), (ROOM, 10)]


async def test_it_goes_on_while_a_hole_is_refilled(house: House) -> None:
    alice = Socket()
    house.follow(alice)
    house.log.commit(2)
    house.hub.publish([RoomHint(room_id=ROOM, seq=2)])

    await asyncio.sleep(PARK_S + READ_S / 2)  # the page is being read
    house.happen(2)
    await asyncio.sleep(LONG_S)

    assert alice.seqs == [1, 2, 3, 4]
    assert house.log.reads == [(ROOM, 0)]


async def test_it_asks_again_after_a_failed_read(house: House, caplog: Caplog) -> None:
    alice = Socket()
    house.follow(alice)
    house.log.commit(2)
    house.log.failures = 2

    house.hub.publish([RoomHint(room_id=ROOM, seq=2)])
    await asyncio.sleep(LONG_S)

    assert alice.seqs == [1, 2]
    assert len(house.log.reads) == 3
    assert len(alarms(caplog)) == 2


async def test_it_raises_an_alarm_about_a_hole_in_the_log_and_waits(house: House, caplog: Caplog) -> None:
    alice = Socket()
    house.follow(alice)
    house.log.commit(3)
    del house.log.entries[ROOM][1]

    house.hub.publish([RoomHint(room_id=ROOM, seq=3)])
    await asyncio.sleep(LONG_S)

    assert alice.seqs == [1]
    assert alarms(caplog)
    assert len(house.log.reads) <= 2 + LONG_S / RETRY_S


async def test_it_does_not_hammer_the_log_for_a_follower_before_a_hole(house: House) -> None:
    alice = Socket()
    house.log.commit(3)
    del house.log.entries[ROOM][1]

    house.follow(alice, after=0)
    await asyncio.sleep(LONG_S)

    assert alice.seqs == [1]
    assert len(house.log.reads) <= 2 + LONG_S / RETRY_S


async def test_it_heals_no_hole_of_a_room_that_everybody_left(house: House) -> None:
    alice = Socket()
    house.follow(alice)
    house.log.commit(2)
    house.hub.publish([notice(2)])

    house.hub.unfollow(alice, ROOM)
    await asyncio.sleep(LONG_S)

    assert house.log.reads == []


async def test_it_raises_no_alarm_when_everybody_leaves_while_a_page_is_read(house: House, caplog: Caplog) -> None:
    alice = Socket()
    house.follow(alice)
    house.log.commit(2)
    house.hub.publish([RoomHint(room_id=ROOM, seq=2)])
    await asyncio.sleep(PARK_S + READ_S / 2)

    house.hub.unfollow(alice, ROOM)
    await asyncio.sleep(LONG_S)

    assert alice.seqs == []
    assert alarms(caplog) == []


async def test_it_heals_a_hole_though_the_room_was_left_with_one(house: House) -> None:
    alice, bob = Socket(ALICE.id), Socket(BOB.id)
    house.follow(bob)
    removal, _, last = [*house.log.commit(evicts=BOB.id), *house.log.commit(2)]
    house.hub.publish([removal, last])  # Bob is cut before the hole
    assert bob.seqs == [1]

    follower = house.hub.hold(alice, ROOM)
    new = house.log.commit(2)
    house.hub.publish([new[1]])
    house.hub.release(follower, cursor=3, since=3, head=3)
    await asyncio.sleep(LONG_S)

    assert alice.seqs == [4, 5]


# -- gaps -----------------------------------------------------------------------------------------------------------


async def test_it_tells_of_a_gap_where_retention_took_what_is_missing(house: House) -> None:
    alice = Socket()
    house.log.commit(9)
    house.log.floor = 6

    house.follow(alice, after=2)
    await asyncio.sleep(HEALED_S)
    house.happen()

    gap = b'{"event":"gap","room":"01990000-0000-7000-8000-000000000001","from":3,"to":5,"reason":"retention"}'
    assert alice.payloads == [gap, b"6", b"7", b"8", b"9", b"10"]


async def test_it_tells_live_followers_of_a_gap_and_goes_on(house: House) -> None:
    alice, bob = Socket(ALICE.id), Socket(BOB.id)
    house.follow(alice)
    house.happen(2)
    house.log.commit(5)
    house.log.floor = 6

    house.hub.publish([RoomHint(room_id=ROOM, seq=7)])
    await asyncio.sleep(HEALED_S)
    house.happen()
    house.follow(bob, after=5)

    gap = b'{"event":"gap","room":"01990000-0000-7000-8000-000000000001","from":3,"to":5,"reason":"retention"}'
    assert alice.payloads == [b"1", b"2", gap, b"6", b"7", b"8"]
    assert bob.seqs == [6, 7, 8]


async def test_it_tells_a_congested_follower_of_all_of_a_gap(house: House) -> None:
    slow = Socket()
    house.follow(slow)
    slow.congested = True
    house.log.commit(7)
    house.log.floor = 6

    house.hub.publish([RoomHint(room_id=ROOM, seq=7)])
    await asyncio.sleep(HEALED_S)
    slow.drain(house.hub)
    await asyncio.sleep(HEALED_S)

    gap = b'{"event":"gap","room":"01990000-0000-7000-8000-000000000001","from":1,"to":5,"reason":"retention"}'
    assert slow.payloads == [gap, b"6", b"7"]
