"""Members who are removed: cut right behind the entry that says so, and not by one from an earlier membership."""

import asyncio

from rooms.events import RoomHint
from tests.unit.examples import ALICE, BOB, OTHER_ROOM, ROOM
from tests.unit.rooms import HEALED_S, LONG_S, House, Socket


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


async def test_it_cuts_who_is_removed_while_their_join_is_answered(house: House) -> None:
    bob = Socket(BOB.id)
    house.log.commit()
    follower = house.hub.hold(bob, ROOM)

    house.happen(evicts=BOB.id)
    house.happen()
    house.hub.release(follower, cursor=1, since=1, head=1)

    assert bob.seqs == [2]
    assert ROOM not in bob.followers


# -- earlier memberships --------------------------------------------------------------------------------------------


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
