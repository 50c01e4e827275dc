"""Followers who go on from an earlier seq: from the ring, or by pages that are read once for all."""

import asyncio
from uuid import UUID

from messaging.wire.limits import Limits
from rooms.events import RoomNotice
from tests.unit.examples import ALICE, BOB, ROOM
from tests.unit.rooms import HEALED_S, LONG_S, READ_S, House, Socket


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


# -- revisions ------------------------------------------------------------------------------------------------------


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
