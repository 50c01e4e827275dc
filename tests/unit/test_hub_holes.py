"""Holes in what the hub has received of a room: filled by late notices, from the log, or by a gap."""

import asyncio

from messaging.fanout.pages import RETRY_S
from rooms.notices import RoomHint
from tests.unit.examples import ALICE, BOB, ROOM
from tests.unit.in_memory import (
    LONG_S,
    PARK_S,
    READ_S,
    REFILLED_S,
    Caplog,
    FakeSocket,
    InMemoryChat,
    logged_errors,
    notice,
)


async def test_it_waits_for_missing_notices_before_it_reads_the_log(chat: InMemoryChat) -> None:
    alice = FakeSocket()
    chat.follow(alice)
    first, second = chat.log.commit(2)

    chat.hub.publish([second])
    await asyncio.sleep(PARK_S * 0.9)
    chat.hub.publish([first])
    await asyncio.sleep(LONG_S)

    assert alice.seqs == [1, 2]
    assert chat.log.reads == []


async def test_it_refills_a_hole_from_the_log(chat: InMemoryChat) -> None:
    alice, bob = FakeSocket(ALICE.id), FakeSocket(BOB.id)
    chat.follow(alice)
    chat.follow(bob)
    chat.post()
    new = chat.log.commit(4)

    chat.hub.publish([new[1], new[3]])
    await asyncio.sleep(REFILLED_S)

    assert alice.seqs == bob.seqs == [1, 2, 3, 4, 5]
    assert chat.log.reads == [(ROOM, 0)]  # pages begin at multiples of their size


async def test_it_waits_for_each_hole_separately(chat: InMemoryChat) -> None:
    alice = FakeSocket()
    chat.follow(alice)
    for _ in range(3):
        first, second = chat.log.commit(2)
        chat.hub.publish([second])
        await asyncio.sleep(PARK_S * 0.6)
        chat.hub.publish([first])

    assert alice.seqs == [1, 2, 3, 4, 5, 6]
    assert chat.log.reads == []


async def test_it_reads_the_entries_that_a_hint_reveals(chat: InMemoryChat) -> None:
    alice = FakeSocket()
    chat.follow(alice)
    chat.log.commit(3)

    chat.hub.publish([RoomHint(room_id=ROOM, seq=3)])
    await asyncio.sleep(REFILLED_S)

    assert alice.seqs == [1, 2, 3]


async def test_it_ignores_a_hint_of_known_entries(chat: InMemoryChat) -> None:
    alice = FakeSocket()
    chat.follow(alice)
    chat.post(3)

    chat.hub.publish([RoomHint(room_id=ROOM, seq=3), RoomHint(room_id=ROOM, seq=1)])
    await asyncio.sleep(LONG_S)

    assert chat.log.reads == []


async def test_it_refills_a_long_hole_page_by_page(small_chat: InMemoryChat) -> None:
    alice = FakeSocket()
    small_chat.follow(alice)
    small_chat.log.commit(12)

    small_chat.hub.publish([RoomHint(room_id=ROOM, seq=12)])
    await asyncio.sleep(LONG_S)

    assert alice.seqs == list(range(1, 13))
    assert small_chat.log.reads == [(ROOM, 0), (ROOM, 5), (ROOM, 10)]


async def test_it_accepts_notices_while_a_hole_is_refilled(chat: InMemoryChat) -> None:
    alice = FakeSocket()
    chat.follow(alice)
    chat.log.commit(2)
    chat.hub.publish([RoomHint(room_id=ROOM, seq=2)])

    await asyncio.sleep(PARK_S + READ_S / 2)  # the page is being read
    chat.post(2)
    await asyncio.sleep(LONG_S)

    assert alice.seqs == [1, 2, 3, 4]
    assert chat.log.reads == [(ROOM, 0)]


async def test_it_reads_again_after_a_failed_read(chat: InMemoryChat, caplog: Caplog) -> None:
    alice = FakeSocket()
    chat.follow(alice)
    chat.log.commit(2)
    chat.log.failures = 2

    chat.hub.publish([RoomHint(room_id=ROOM, seq=2)])
    await asyncio.sleep(LONG_S)

    assert alice.seqs == [1, 2]
    assert len(chat.log.reads) == 3
    assert len(logged_errors(caplog)) == 2


async def test_it_logs_an_error_and_waits_if_the_log_has_a_hole(chat: InMemoryChat, caplog: Caplog) -> None:
    alice = FakeSocket()
    chat.follow(alice)
    chat.log.commit(3)
    del chat.log.entries[ROOM][1]

    chat.hub.publish([RoomHint(room_id=ROOM, seq=3)])
    await asyncio.sleep(LONG_S)

    assert alice.seqs == [1]
    assert logged_errors(caplog)
    assert len(chat.log.reads) <= 2 + LONG_S / RETRY_S


async def test_it_pauses_between_reads_for_a_follower_before_a_hole_in_the_log(chat: InMemoryChat) -> None:
    alice = FakeSocket()
    chat.log.commit(3)
    del chat.log.entries[ROOM][1]

    chat.follow(alice, after=0)
    await asyncio.sleep(LONG_S)

    assert alice.seqs == [1]
    assert len(chat.log.reads) <= 2 + LONG_S / RETRY_S


async def test_it_does_not_refill_a_room_without_followers(chat: InMemoryChat) -> None:
    alice = FakeSocket()
    chat.follow(alice)
    chat.log.commit(2)
    chat.hub.publish([notice(2)])

    chat.hub.unfollow(alice, ROOM)
    await asyncio.sleep(LONG_S)

    assert chat.log.reads == []


async def test_it_logs_no_error_if_the_last_follower_leaves_while_a_page_is_read(
    chat: InMemoryChat, caplog: Caplog
) -> None:
    alice = FakeSocket()
    chat.follow(alice)
    chat.log.commit(2)
    chat.hub.publish([RoomHint(room_id=ROOM, seq=2)])
    await asyncio.sleep(PARK_S + READ_S / 2)

    chat.hub.unfollow(alice, ROOM)
    await asyncio.sleep(LONG_S)

    assert alice.seqs == []
    assert logged_errors(caplog) == []


async def test_it_refills_a_hole_of_a_room_that_was_once_left_with_one(chat: InMemoryChat) -> None:
    alice, bob = FakeSocket(ALICE.id), FakeSocket(BOB.id)
    chat.follow(bob)
    removal, _, last = [*chat.log.commit(evicts=BOB.id), *chat.log.commit(2)]
    chat.hub.publish([removal, last])  # the hole is after the end of Bob's follow
    assert bob.seqs == [1]

    follower = chat.hub.hold(alice, ROOM)
    new = chat.log.commit(2)
    chat.hub.publish([new[1]])
    chat.hub.release(follower, cursor=3, since=3, head=3)
    await asyncio.sleep(LONG_S)

    assert alice.seqs == [4, 5]


# -- gaps -----------------------------------------------------------------------------------------------------------


async def test_it_sends_a_gap_for_entries_that_retention_deleted(chat: InMemoryChat) -> None:
    alice = FakeSocket()
    chat.log.commit(9)
    chat.log.floor = 6

    chat.follow(alice, after=2)
    await asyncio.sleep(REFILLED_S)
    chat.post()

    gap = b'{"event":"gap","room":"01990000-0000-7000-8000-000000000001","from":3,"to":5,"reason":"retention"}'
    assert alice.payloads == [gap, b"6", b"7", b"8", b"9", b"10"]


async def test_it_sends_a_gap_to_live_followers_and_goes_on(chat: InMemoryChat) -> None:
    alice, bob = FakeSocket(ALICE.id), FakeSocket(BOB.id)
    chat.follow(alice)
    chat.post(2)
    chat.log.commit(5)
    chat.log.floor = 6

    chat.hub.publish([RoomHint(room_id=ROOM, seq=7)])
    await asyncio.sleep(REFILLED_S)
    chat.post()
    chat.follow(bob, after=5)

    gap = b'{"event":"gap","room":"01990000-0000-7000-8000-000000000001","from":3,"to":5,"reason":"retention"}'
    assert alice.payloads == [b"1", b"2", gap, b"6", b"7", b"8"]
    assert bob.seqs == [6, 7, 8]


async def test_it_sends_the_whole_gap_to_a_follower_that_was_congested(chat: InMemoryChat) -> None:
    slow = FakeSocket()
    chat.follow(slow)
    slow.congested = True
    chat.log.commit(7)
    chat.log.floor = 6

    chat.hub.publish([RoomHint(room_id=ROOM, seq=7)])
    await asyncio.sleep(REFILLED_S)
    slow.drain(chat.hub)
    await asyncio.sleep(REFILLED_S)

    gap = b'{"event":"gap","room":"01990000-0000-7000-8000-000000000001","from":1,"to":5,"reason":"retention"}'
    assert slow.payloads == [gap, b"6", b"7"]
