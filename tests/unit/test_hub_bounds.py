"""The bounds on what the hub holds in memory for its rooms, and the cost of keeping within them."""

import asyncio
from uuid import UUID

from messaging.wire.limits import Limits
from rooms.notices import RoomHint
from tests.unit.examples import ALICE, BOB, OTHER_ROOM, ROOM
from tests.unit.in_memory import LONG_S, PARK_S, READ_S, REFILLED_S, FakeSocket, InMemoryChat
from tests.unit.steps import count_lines


async def test_it_drops_the_ring_of_the_least_recently_active_room_first() -> None:
    chat = InMemoryChat(Limits(rings_max_bytes=1_000))
    alice, bob = FakeSocket(ALICE.id), FakeSocket(BOB.id)
    chat.follow(alice)
    chat.follow(alice, OTHER_ROOM)
    chat.post(2, room=OTHER_ROOM, size=300)
    chat.post(2, size=300)

    chat.follow(bob, after=0)
    assert bob.seqs == [1, 2]
    chat.follow(bob, OTHER_ROOM, after=0)
    await asyncio.sleep(REFILLED_S)

    assert bob.seqs == [1, 2, 1, 2]
    assert chat.log.reads == [(OTHER_ROOM, 0)]
    await chat.hub.close()


async def test_it_does_not_count_the_ring_of_a_forgotten_room() -> None:
    chat = InMemoryChat(Limits(rings_max_bytes=1_000))
    alice = FakeSocket(ALICE.id)
    for place in range(20):
        chat.follow(alice, UUID(int=place))
        chat.post(2, room=UUID(int=place), size=300)
        chat.hub.unfollow(alice, UUID(int=place))

    await assert_rings_are_in_use(chat)


async def test_it_does_not_count_the_ring_of_a_room_forgotten_while_a_page_was_read() -> None:
    chat = InMemoryChat(Limits(rings_max_bytes=1_000))
    alice = FakeSocket(ALICE.id)
    chat.follow(alice)
    chat.log.commit(3, size=300)
    chat.hub.publish([RoomHint(room_id=ROOM, seq=3)])
    await asyncio.sleep(PARK_S + READ_S / 2)
    chat.hub.unfollow(alice, ROOM)
    chat.follow(alice)  # another feed of the same room
    await asyncio.sleep(LONG_S)
    chat.hub.unfollow(alice, ROOM)

    await assert_rings_are_in_use(chat)


async def assert_rings_are_in_use(chat: InMemoryChat) -> None:
    """Asserts that a replay that is well within the bound comes from the ring, and not from the log."""
    alice, bob = FakeSocket(ALICE.id), FakeSocket(BOB.id)
    chat.log.reads.clear()
    chat.follow(alice, OTHER_ROOM)
    chat.post(2, room=OTHER_ROOM, size=300)
    chat.follow(bob, OTHER_ROOM, after=0)
    assert (bob.seqs, chat.log.reads) == ([1, 2], [])
    await chat.hub.close()


async def cost_of_a_message_at_the_bound(rooms: int) -> int:
    """Returns how many lines one message executes while `rooms` rooms are followed and the rings are at their bound."""
    chat = InMemoryChat(Limits(rings_max_bytes=1_000))
    alice = FakeSocket()
    ids = [UUID(int=number) for number in range(rooms)]
    for room in ids:
        chat.follow(alice, room)
    for room in ids[-5:]:
        chat.post(room=room, size=300)
    new = chat.log.commit(room=ids[0], size=300)

    lines = count_lines(lambda: chat.hub.publish(new))

    await chat.hub.close()
    return lines


async def test_a_message_at_the_bound_costs_the_same_however_many_rooms_are_followed() -> None:
    assert await cost_of_a_message_at_the_bound(rooms=10) == await cost_of_a_message_at_the_bound(rooms=1_000)


async def test_parked_entries_of_all_rooms_together_are_bounded_and_read_from_the_log_instead() -> None:
    chat = InMemoryChat(Limits(rings_max_bytes=1_000))
    sockets = {UUID(int=number): FakeSocket() for number in range(20)}
    for room, socket in sockets.items():
        chat.follow(socket, room)
    new = {room: chat.log.commit(3, room=room, size=100) for room in sockets}

    for _, *later in new.values():
        chat.hub.publish(later)
    for first, *_ in new.values():
        chat.hub.publish([first])
    assert sum(socket.seqs == [1, 2, 3] for socket in sockets.values()) <= 5
    await asyncio.sleep(REFILLED_S)

    assert all(socket.seqs == [1, 2, 3] for socket in sockets.values())
    assert len(chat.log.reads) >= 15
    await chat.hub.close()


async def test_parked_entries_of_a_room_are_bounded_and_read_from_the_log_instead() -> None:
    chat = InMemoryChat(Limits(parked_max_bytes=1_000))
    alice = FakeSocket()
    chat.follow(alice)
    first, *later = chat.log.commit(20, size=100)

    chat.hub.publish(later)
    chat.hub.publish([first])
    assert alice.seqs == list(range(1, 12))
    await asyncio.sleep(REFILLED_S)

    assert alice.seqs == list(range(1, 21))
    await chat.hub.close()


async def test_parked_entries_of_a_join_that_is_not_answered_yet_are_bounded() -> None:
    chat = InMemoryChat(Limits(rings_max_bytes=1_000))
    alice, bob = FakeSocket(), FakeSocket()
    follower = chat.hub.hold(alice, ROOM)
    chat.post(9, size=100)
    chat.follow(bob, OTHER_ROOM)
    chat.post(9, room=OTHER_ROOM, size=100)

    chat.hub.release(follower, cursor=0, since=0, head=0)
    assert alice.seqs == []
    await asyncio.sleep(REFILLED_S)

    assert alice.seqs == bob.seqs == list(range(1, 10))
    assert chat.log.reads == [(ROOM, 0)]
    await chat.hub.close()
