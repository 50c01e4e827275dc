"""The hub: whatever comes, in whatever order, each follower gets the order of the log, each entry once."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from messaging.fanout.feed import CHUNK_BYTES
from messaging.fanout.pages import RETRY_S
from messaging.wire.limits import Limits
from rooms.events import RoomHint, RoomNotice, SessionsChanged, UserNotice
from tests.unit.examples import ALICE, BOB, OTHER_ROOM, ROOM
from tests.unit.rooms import READ_S, House, Socket, notice

LIMITS = Limits()
HEALED_S = LIMITS.park_s + READ_S + 0.001  # by then a hole was refilled
LONG_S = 10.0

Caplog = pytest.LogCaptureFixture


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House()
    yield house
    await house.hub.close()


@pytest.fixture
async def small() -> AsyncIterator[House]:
    """A house whose rings hold 4 frames and whose pages hold 5."""
    house = House(Limits(ring_max_frames=4, replay_page_entries=5))
    yield house
    await house.hub.close()


def alarms(caplog: Caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]


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


# -- holes --------------------------------------------------------------------------------------------------------


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


async def test_it_lets_a_hole_heal_by_itself(house: House) -> None:
    alice = Socket()
    house.follow(alice)
    first, second = house.log.commit(2)

    house.hub.publish([second])
    await asyncio.sleep(LIMITS.park_s * 0.9)
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
        await asyncio.sleep(LIMITS.park_s * 0.6)
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

    await asyncio.sleep(LIMITS.park_s + READ_S / 2)  # the page is being read
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


async def test_it_says_whether_a_hint_was_news(house: House) -> None:
    house.follow(Socket())

    assert house.hub.hint(RoomHint(room_id=ROOM, seq=1))
    assert not house.hub.hint(RoomHint(room_id=ROOM, seq=1))
    assert not house.hub.hint(RoomHint(room_id=OTHER_ROOM, seq=1))


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


# -- slow readers -------------------------------------------------------------------------------------------------


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


async def test_it_reads_a_page_once_for_all_who_are_behind_at_the_same_place(small: House) -> None:
    sockets = [Socket(UUID(int=place)) for place in range(50)]
    for socket in sockets:
        small.follow(socket)
        socket.congested = True
    for _ in range(12):
        small.happen()

    for socket in sockets:
        socket.drain(small.hub)
    await asyncio.sleep(LONG_S)

    assert all(socket.seqs == list(range(1, 13)) for socket in sockets)
    assert small.log.reads == [(ROOM, 0), (ROOM, 5)]


async def test_it_reads_a_full_page_once_for_a_herd_that_resumes(small: House) -> None:
    sockets = [Socket(UUID(int=place)) for place in range(50)]
    small.log.commit(15)

    for place, socket in enumerate(sockets):
        small.follow(socket, after=place % 15)
    await asyncio.sleep(0.5)

    assert [socket.seqs[0] for socket in sockets] == [place % 15 + 1 for place in range(50)]
    assert {socket.seqs[-1] for socket in sockets} == {15}
    assert sorted(small.log.reads) == [(ROOM, 0), (ROOM, 5), (ROOM, 10)]


async def test_it_reads_one_page_at_a_time_for_a_socket_that_is_behind_in_many_rooms() -> None:
    """The first may fill it: what was read for the others would be thrown away."""
    rooms = [UUID(int=number) for number in range(1, 21)]
    house = House(Limits(replay_page_entries=5, ring_max_frames=1))
    socket = Socket(room_for=5)
    for room in rooms:
        house.log.commit(5, room=room)
        house.follow(socket, room, after=0)

    for turn in range(1, len(rooms) + 1):
        await asyncio.sleep(2 * READ_S)
        assert len(house.log.reads) == turn
        assert len(socket.payloads) == 5 * turn
        socket.drain(house.hub)
    assert all(socket.followers[room].is_live for room in rooms)
    await house.hub.close()


async def test_it_reads_again_for_a_follower_whose_page_failed(small: House) -> None:
    alice = Socket()
    small.log.commit(7)
    small.log.failures = 1

    small.follow(alice, after=0)
    await asyncio.sleep(LONG_S)

    assert alice.seqs == [1, 2, 3, 4, 5, 6, 7]


async def test_it_goes_on_in_every_room_that_a_drained_socket_follows(house: House) -> None:
    slow = Socket()
    house.follow(slow)
    house.follow(slow, OTHER_ROOM)
    slow.congested = True
    house.happen(2)
    house.happen(2, room=OTHER_ROOM)

    slow.drain(house.hub)

    assert sorted(slow.seqs) == [1, 1, 2, 2]


# -- removals -----------------------------------------------------------------------------------------------------


async def test_it_cuts_a_removed_member_right_after_their_removal(house: House) -> None:
    alice, bob = Socket(ALICE.id), Socket(BOB.id)
    house.follow(alice)
    house.follow(bob)
    new = [*house.log.commit(), *house.log.commit(evicts=BOB.id), *house.log.commit(2)]

    house.hub.publish(new)
    house.happen()

    assert alice.seqs == [1, 2, 3, 4, 5]
    assert bob.seqs == [1, 2]
    assert ROOM not in bob.followers


async def test_it_cuts_every_socket_of_a_removed_member_in_this_room_only(house: House) -> None:
    phone, laptop = Socket(BOB.id), Socket(BOB.id)
    for socket in (phone, laptop):
        house.follow(socket)
        house.follow(socket, OTHER_ROOM)

    house.happen(evicts=BOB.id)
    house.happen()
    house.happen(room=OTHER_ROOM, size=2)

    for socket in (phone, laptop):
        assert socket.payloads == [b"1", b"1 "]
        assert socket.followers.keys() == {OTHER_ROOM}


async def test_it_cuts_a_removed_member_who_is_behind_once_they_get_there(house: House) -> None:
    bob = Socket(BOB.id)
    house.follow(bob)
    bob.congested = True
    house.happen(2)
    house.happen(evicts=BOB.id)
    house.happen(2)

    assert ROOM in bob.followers
    bob.drain(house.hub)
    house.happen()

    assert bob.seqs == [1, 2, 3]
    assert ROOM not in bob.followers


async def test_it_cuts_a_removed_member_who_catches_up_from_the_log(small: House) -> None:
    alice, bob = Socket(ALICE.id), Socket(BOB.id)
    small.follow(alice)
    small.follow(bob)
    bob.congested = True
    small.happen(2)
    small.happen(evicts=BOB.id)
    for _ in range(10):
        small.happen()

    bob.drain(small.hub)
    await asyncio.sleep(LONG_S)

    assert bob.seqs == [1, 2, 3]
    assert ROOM not in bob.followers
    assert alice.seqs == list(range(1, 14))


async def test_it_cuts_a_removed_member_whose_socket_congests_at_their_removal(house: House) -> None:
    bob = Socket(BOB.id, room_for=1)
    house.follow(bob)

    house.happen(evicts=BOB.id)
    house.happen()
    bob.drain(house.hub)

    assert bob.seqs == [1]
    assert ROOM not in bob.followers


async def test_it_cuts_a_removed_member_out_of_a_refilled_hole(house: House) -> None:
    bob = Socket(BOB.id)
    house.follow(bob)
    house.log.commit()
    house.log.commit(evicts=BOB.id)
    house.log.commit(2)

    house.hub.publish([RoomHint(room_id=ROOM, seq=4)])
    await asyncio.sleep(HEALED_S)

    assert bob.seqs == [1, 2]


async def test_it_takes_an_earlier_removal_for_history(house: House) -> None:
    bob = Socket(BOB.id)
    house.log.commit(evicts=BOB.id)
    house.log.commit(2)

    house.follow(bob, after=0, since=3)
    await asyncio.sleep(HEALED_S)
    house.happen()

    assert bob.seqs == [1, 2, 3, 4]


async def test_it_takes_a_removal_that_comes_late_for_history(house: House) -> None:
    """This process first hears of the removal when the member is back already."""
    alice, bob = Socket(ALICE.id), Socket(BOB.id)
    house.follow(alice)
    late = [*house.log.commit(evicts=BOB.id), *house.log.commit()]

    house.follow(bob, since=2)
    house.hub.publish(late)
    house.happen()

    assert alice.seqs == [1, 2, 3]
    assert bob.seqs == [3]


async def test_it_takes_a_late_removal_for_history_though_it_is_replayed_live(house: House) -> None:
    alice, bob = Socket(ALICE.id), Socket(BOB.id)
    house.follow(alice)
    late = [*house.log.commit(evicts=BOB.id), *house.log.commit()]

    house.follow(bob, after=0, since=2)
    house.hub.publish(late)
    house.happen()

    assert alice.seqs == bob.seqs == [1, 2, 3]


async def test_it_cuts_at_the_first_removal_after_the_membership_began(house: House) -> None:
    bob = Socket(BOB.id)
    house.log.commit(evicts=BOB.id)
    house.log.commit()
    house.log.commit(evicts=BOB.id)
    house.log.commit(evicts=BOB.id)

    follower = house.hub.hold(bob, ROOM)
    house.hub.release(follower, cursor=0, since=2, head=2)
    house.hub.publish([RoomHint(room_id=ROOM, seq=4)])
    await asyncio.sleep(LONG_S)

    assert bob.seqs == [1, 2, 3]


# -- joining ------------------------------------------------------------------------------------------------------


async def test_it_writes_nothing_before_the_join_was_answered(house: House) -> None:
    alice, bob = Socket(ALICE.id), Socket(BOB.id)
    house.follow(alice)
    follower = house.hub.hold(bob, ROOM)

    house.happen(2)
    house.hub.drained(bob)
    await asyncio.sleep(LONG_S)
    assert bob.seqs == []
    house.hub.release(follower, cursor=0, since=0, head=0)

    assert alice.seqs == bob.seqs == [1, 2]


@pytest.mark.parametrize("has_other", [True, False])
@pytest.mark.parametrize("head", [2, 3, 4])
async def test_it_delivers_once_what_happens_while_a_join_is_answered(house: House, head: int, has_other: bool) -> None:
    """The head is read before, amid or after what happens meanwhile."""
    alice, bob = Socket(ALICE.id), Socket(BOB.id)
    house.log.commit(2)
    if has_other:
        house.follow(alice)

    follower = house.hub.hold(bob, ROOM)
    new = house.log.commit(2)
    house.hub.publish([new[1]])
    house.hub.publish([new[0], new[1]])
    house.hub.release(follower, cursor=head, since=0, head=head)
    await asyncio.sleep(LONG_S)
    house.happen()

    assert bob.seqs == [3, 4, 5][head - 2 :]
    assert house.log.reads == []


async def test_it_replays_before_anything_live(small: House) -> None:
    alice = Socket()
    small.log.commit(12)

    small.follow(alice, after=3)
    small.happen()
    await asyncio.sleep(LONG_S)
    small.happen()

    assert alice.seqs == list(range(4, 15))


async def test_it_replays_from_the_ring_without_reading(house: House) -> None:
    alice, bob = Socket(ALICE.id), Socket(BOB.id)
    house.follow(alice)
    house.happen(10)

    house.follow(bob, after=7)

    assert bob.seqs == [8, 9, 10]
    assert house.log.reads == []


async def test_it_joins_at_a_head_that_this_process_has_not_heard_of(house: House) -> None:
    alice, bob = Socket(ALICE.id), Socket(BOB.id)
    house.follow(alice)
    house.log.commit(3)

    house.follow(bob)
    await asyncio.sleep(HEALED_S)
    house.happen()

    assert alice.seqs == [1, 2, 3, 4]
    assert bob.seqs == [4]


async def test_it_cuts_who_is_removed_while_their_join_is_answered(house: House) -> None:
    bob = Socket(BOB.id)
    house.log.commit()
    follower = house.hub.hold(bob, ROOM)

    house.happen(evicts=BOB.id)
    house.happen()
    house.hub.release(follower, cursor=1, since=1, head=1)

    assert bob.seqs == [2]
    assert ROOM not in bob.followers


async def test_it_keeps_a_hint_that_comes_while_a_join_is_answered(house: House) -> None:
    alice = Socket()
    follower = house.hub.hold(alice, ROOM)
    house.log.commit(2)

    house.hub.publish([RoomHint(room_id=ROOM, seq=2)])  # as from the sweep, once the group stands
    house.hub.release(follower, cursor=1, since=1, head=1)
    await asyncio.sleep(HEALED_S)

    assert alice.seqs == [2]


async def test_it_releases_nobody_who_left_meanwhile(house: House) -> None:
    alice = Socket()
    follower = house.hub.hold(alice, ROOM)
    house.happen()
    house.hub.unfollow(alice, ROOM)

    house.hub.release(follower, cursor=0, since=0, head=0)
    house.happen()

    assert alice.seqs == []


async def test_it_starts_anew_where_a_socket_joins_again(house: House) -> None:
    alice = Socket()
    first = house.follow(alice)
    house.happen(3)

    second = house.follow(alice, after=1)
    house.hub.release(first, cursor=0, since=0, head=3)
    await asyncio.sleep(HEALED_S)
    house.happen()

    assert alice.seqs == [1, 2, 3, 2, 3, 4]
    assert alice.followers == {ROOM: second}


# -- leaving ------------------------------------------------------------------------------------------------------


async def test_it_writes_nothing_to_whoever_left(house: House) -> None:
    alice, bob = Socket(ALICE.id), Socket(BOB.id)
    house.follow(alice)
    house.follow(bob)
    house.happen()

    house.hub.unfollow(bob, ROOM)
    house.hub.unfollow(bob, ROOM)
    house.happen()

    assert (alice.seqs, bob.seqs) == ([1, 2], [1])
    assert bob.followers == {}


async def test_it_writes_no_page_to_whoever_left_while_it_was_read(small: House) -> None:
    alice, bob = Socket(ALICE.id), Socket(BOB.id)
    small.log.commit(8)
    small.follow(alice, after=0)
    small.follow(bob, after=0)

    small.hub.unfollow(bob, ROOM)
    await asyncio.sleep(LONG_S)

    assert alice.seqs == list(range(1, 9))
    assert bob.seqs == []


async def test_it_forgets_a_socket_that_is_gone(house: House) -> None:
    alice = Socket()
    house.hub.register(alice)
    house.follow(alice)
    house.follow(alice, OTHER_ROOM)

    house.hub.unregister(alice)
    house.happen()
    house.happen(room=OTHER_ROOM)
    house.hub.publish([UserNotice(user_id=ALICE.id, payload=b"1")])

    assert (alice.seqs, alice.followers) == ([], {})


async def test_it_forgets_a_room_that_nobody_follows(house: House) -> None:
    alice, bob = Socket(ALICE.id), Socket(BOB.id)
    house.follow(alice)
    house.happen(3)
    house.hub.unfollow(alice, ROOM)
    house.log.commit(2)

    house.hub.publish([RoomHint(room_id=ROOM, seq=5)])
    await asyncio.sleep(LONG_S)
    assert house.log.reads == []
    house.follow(bob, after=2)
    await asyncio.sleep(HEALED_S)

    assert bob.seqs == [3, 4, 5]
    assert house.log.reads == [(ROOM, 0)]  # its ring is gone


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
    await asyncio.sleep(LIMITS.park_s + READ_S / 2)

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


# -- rings --------------------------------------------------------------------------------------------------------


async def test_it_forgets_the_ring_of_the_least_recently_active_room_past_its_bound() -> None:
    house = House(Limits(rings_max_bytes=1_000))
    alice, bob = Socket(ALICE.id), Socket(BOB.id)
    house.follow(alice)
    house.follow(alice, OTHER_ROOM)
    house.happen(2, room=OTHER_ROOM, size=300)
    house.happen(2, size=300)

    house.follow(bob, after=0)
    assert bob.seqs == [1, 2]
    house.follow(bob, OTHER_ROOM, after=0)
    await asyncio.sleep(HEALED_S)

    assert bob.seqs == [1, 2, 1, 2]
    assert house.log.reads == [(OTHER_ROOM, 0)]
    await house.hub.close()


async def test_it_counts_no_ring_of_a_room_that_was_forgotten() -> None:
    house = House(Limits(rings_max_bytes=1_000))
    alice = Socket(ALICE.id)
    for place in range(20):
        house.follow(alice, UUID(int=place))
        house.happen(2, room=UUID(int=place), size=300)
        house.hub.unfollow(alice, UUID(int=place))

    await _assert_that_rings_serve(house)


async def test_it_counts_no_ring_of_a_room_that_was_forgotten_while_a_page_was_read() -> None:
    house = House(Limits(rings_max_bytes=1_000))
    alice = Socket(ALICE.id)
    house.follow(alice)
    house.log.commit(3, size=300)
    house.hub.publish([RoomHint(room_id=ROOM, seq=3)])
    await asyncio.sleep(LIMITS.park_s + READ_S / 2)
    house.hub.unfollow(alice, ROOM)
    house.follow(alice)  # another feed of the same room
    await asyncio.sleep(LONG_S)
    house.hub.unfollow(alice, ROOM)

    await _assert_that_rings_serve(house)


async def _assert_that_rings_serve(house: House) -> None:
    """A new follower of a room gets from its ring what is well within the bound."""
    alice, bob = Socket(ALICE.id), Socket(BOB.id)
    house.log.reads.clear()
    house.follow(alice, OTHER_ROOM)
    house.happen(2, room=OTHER_ROOM, size=300)
    house.follow(bob, OTHER_ROOM, after=0)
    assert (bob.seqs, house.log.reads) == ([1, 2], [])
    await house.hub.close()


async def test_it_replays_nothing_that_was_revised_since(house: House) -> None:
    alice, bob = Socket(ALICE.id), Socket(BOB.id)
    house.follow(alice)
    house.happen(message_id=1)
    house.happen(message_id=2)
    house.happen(message_id=1, revises=True)
    house.log.entries[ROOM][0] = RoomNotice(room_id=ROOM, seq=1, payload=b"100", message_id=1)

    house.follow(bob, after=0)
    await asyncio.sleep(HEALED_S)

    assert alice.seqs == [1, 2, 3]
    assert bob.seqs == [100, 2, 3]


async def test_it_replays_no_page_that_was_read_before_a_revision(small: House) -> None:
    alice, bob = Socket(ALICE.id), Socket(BOB.id)
    small.log.commit(7, message_id=1)
    small.follow(alice, after=0)
    await asyncio.sleep(READ_S * 3)

    small.log.entries[ROOM][0] = RoomNotice(room_id=ROOM, seq=1, payload=b"100", message_id=1)
    small.happen(message_id=1, revises=True)
    small.follow(bob, after=0)
    await asyncio.sleep(READ_S * 3)

    assert alice.seqs == [1, 2, 3, 4, 5, 6, 7, 8]
    assert bob.seqs == [100, 2, 3, 4, 5, 6, 7, 8]


# -- users --------------------------------------------------------------------------------------------------------


async def test_it_tells_every_socket_of_a_user(house: House) -> None:
    phone, laptop, bob = Socket(ALICE.id), Socket(ALICE.id), Socket(BOB.id)
    for socket in (phone, laptop, bob):
        house.hub.register(socket)

    house.hub.publish([UserNotice(user_id=ALICE.id, payload=b"7")])

    assert (phone.seqs, laptop.seqs, bob.seqs) == ([7], [7], [])


async def test_it_drops_what_has_no_seq_before_a_congested_socket(house: House) -> None:
    alice = Socket()
    house.hub.register(alice)
    alice.congested = True

    house.hub.publish([UserNotice(user_id=ALICE.id, payload=b"7")])
    alice.drain(house.hub)

    assert alice.seqs == []


async def test_it_tells_the_other_sockets_of_a_user_when_one_is_gone(house: House) -> None:
    phone, laptop = Socket(ALICE.id), Socket(ALICE.id)
    house.hub.register(phone)
    house.hub.register(laptop)

    house.hub.unregister(phone)
    house.hub.unregister(phone)
    house.hub.publish([UserNotice(user_id=ALICE.id, payload=b"7")])

    assert (phone.seqs, laptop.seqs) == ([], [7])


# -- interest -----------------------------------------------------------------------------------------------------


class Diary:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, UUID]] = []

    def room_followed(self, room_id: UUID) -> None:
        self.entries.append(("followed", room_id))

    def room_unfollowed(self, room_id: UUID) -> None:
        self.entries.append(("unfollowed", room_id))

    def user_connected(self, user_id: UUID) -> None:
        self.entries.append(("connected", user_id))

    def user_disconnected(self, user_id: UUID) -> None:
        self.entries.append(("disconnected", user_id))

    def sessions_changed(self, user_id: UUID) -> None:
        self.entries.append(("changed", user_id))


async def test_it_tells_of_the_first_and_the_last_follower_of_a_room() -> None:
    diary = Diary()
    house = House(interest=diary)
    alice, bob = Socket(ALICE.id), Socket(BOB.id)

    house.follow(alice)
    house.follow(bob)
    house.follow(alice, after=0)
    assert (diary.entries, list(house.hub.known_heads())) == ([("followed", ROOM)], [ROOM])
    house.hub.unfollow(alice, ROOM)
    house.hub.unfollow(bob, ROOM)

    assert (diary.entries, list(house.hub.known_heads())) == ([("followed", ROOM), ("unfollowed", ROOM)], [])


async def test_it_does_not_leave_a_room_whose_only_follower_joins_again() -> None:
    diary = Diary()
    house = House(interest=diary)
    alice = Socket()

    house.follow(alice)
    house.follow(alice)

    assert diary.entries == [("followed", ROOM)]


async def test_it_leaves_a_room_whose_last_follower_was_removed() -> None:
    diary = Diary()
    house = House(interest=diary)
    house.follow(Socket(BOB.id))

    house.happen(evicts=BOB.id)

    assert diary.entries == [("followed", ROOM), ("unfollowed", ROOM)]


async def test_it_tells_of_the_first_and_the_last_socket_of_a_user() -> None:
    diary = Diary()
    hub = House(interest=diary).hub
    phone, laptop = Socket(ALICE.id), Socket(ALICE.id)

    hub.register(phone)
    hub.register(laptop)
    assert set(hub.sinks()) == set(hub.sinks_of(ALICE.id)) == {phone, laptop}
    assert hub.sinks_of(BOB.id) == []
    hub.unregister(phone)
    assert diary.entries == [("connected", ALICE.id)]
    hub.unregister(laptop)

    assert diary.entries == [("connected", ALICE.id), ("disconnected", ALICE.id)]
    assert hub.sinks() == []


async def test_it_knows_the_oldest_admission_of_each_session() -> None:
    hub = House().hub
    before, after = Socket(ALICE.id), Socket(ALICE.id)
    after.auth_version = before.auth_version + 1

    hub.register(after)
    assert hub.auth_versions == {after.session_key: after.auth_version}
    hub.register(before)
    assert hub.auth_versions == {before.session_key: before.auth_version}
    assert hub.sinks_of_session(before.session_key) == [after, before]
    hub.unregister(before)
    assert hub.auth_versions == {after.session_key: after.auth_version}
    hub.unregister(after)

    assert (hub.auth_versions, hub.sinks_of_session(after.session_key)) == ({}, [])


async def test_it_passes_on_that_sessions_of_a_user_who_is_here_have_changed() -> None:
    diary = Diary()
    hub = House(interest=diary).hub
    hub.register(Socket(ALICE.id))

    hub.publish([SessionsChanged(user_id=ALICE.id), SessionsChanged(user_id=BOB.id)])

    assert diary.entries == [("connected", ALICE.id), ("changed", ALICE.id)]


# -- the end ------------------------------------------------------------------------------------------------------


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
