"""What the hub keeps in memory for all rooms together, and what it costs to keep it within its bound."""

import asyncio
from uuid import UUID

from messaging.wire.limits import Limits
from rooms.events import RoomHint
from tests.unit.examples import ALICE, BOB, OTHER_ROOM, ROOM
from tests.unit.rooms import HEALED_S, LONG_S, PARK_S, READ_S, House, Socket
from tests.unit.steps import count_lines


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
    await asyncio.sleep(PARK_S + READ_S / 2)
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


async def cost_of_a_message_at_the_bound(rooms: int) -> int:
    """Follow so many rooms, bring the rings to their bound, and count the lines that one more message executes."""
    house = House(Limits(rings_max_bytes=1_000))
    alice = Socket()
    ids = [UUID(int=number) for number in range(rooms)]
    for room in ids:
        house.follow(alice, room)
    for room in ids[-5:]:
        house.happen(room=room, size=300)
    new = house.log.commit(room=ids[0], size=300)

    lines = count_lines(lambda: house.hub.publish(new))

    await house.hub.close()
    return lines


async def test_a_message_at_the_bound_costs_the_same_however_many_rooms_are_followed() -> None:
    assert await cost_of_a_message_at_the_bound(rooms=10) == await cost_of_a_message_at_the_bound(rooms=1_000)


async def test_parked_entries_of_all_rooms_together_are_bounded_and_read_from_the_log_instead() -> None:
    house = House(Limits(rings_max_bytes=1_000))
    sockets = {UUID(int=number): Socket() for number in range(20)}
    for room, socket in sockets.items():
        house.follow(socket, room)
    new = {room: house.log.commit(3, room=room, size=100) for room in sockets}

    for _, *later in new.values():
        house.hub.publish(later)
    for first, *_ in new.values():
        house.hub.publish([first])
    assert sum(socket.seqs == [1, 2, 3] for socket in sockets.values()) <= 5
    await asyncio.sleep(HEALED_S)

    assert all(socket.seqs == [1, 2, 3] for socket in sockets.values())
    assert len(house.log.reads) >= 15
    await house.hub.close()


async def test_parked_entries_of_a_room_are_bounded_and_read_from_the_log_instead() -> None:
    house = House(Limits(parked_max_bytes=1_000))
    alice = Socket()
    house.follow(alice)
    first, *later = house.log.commit(20, size=100)

    house.hub.publish(later)
    house.hub.publish([first])
    assert alice.seqs == list(range(1, 12))
    await asyncio.sleep(HEALED_S)

    assert alice.seqs == list(range(1, 21))
    await house.hub.close()


async def test_parked_entries_of_a_join_that_is_not_answered_yet_are_bounded() -> None:
    house = House(Limits(rings_max_bytes=1_000))
    alice, bob = Socket(), Socket()
    follower = house.hub.hold(alice, ROOM)
    house.happen(9, size=100)
    house.follow(bob, OTHER_ROOM)
    house.happen(9, room=OTHER_ROOM, size=100)

    house.hub.release(follower, cursor=0, since=0, head=0)
    assert alice.seqs == []
    await asyncio.sleep(HEALED_S)

    assert alice.seqs == bob.seqs == list(range(1, 10))
    assert house.log.reads == [(ROOM, 0)]
    await house.hub.close()
