"""Joining and leaving a room, and what happens in it meanwhile."""

import asyncio

import pytest

from rooms.events import RoomHint
from tests.unit.examples import ALICE, BOB, ROOM
from tests.unit.rooms import HEALED_S, LONG_S, House, Socket


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


async def test_it_joins_at_a_head_that_this_process_has_not_heard_of(house: House) -> None:
    alice, bob = Socket(ALICE.id), Socket(BOB.id)
    house.follow(alice)
    house.log.commit(3)

    house.follow(bob)
    await asyncio.sleep(HEALED_S)
    house.happen()

    assert alice.seqs == [1, 2, 3, 4]
    assert bob.seqs == [4]


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


# -- leaving --------------------------------------------------------------------------------------------------------


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
