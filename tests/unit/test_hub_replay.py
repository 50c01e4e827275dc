"""Replays from an earlier seq: from the ring, or from pages of the log that followers share."""

import asyncio
from uuid import UUID

from messaging.throttling import Limiter
from messaging.wire.limits import Limits
from rooms.notices import RoomNotice
from tests.unit.examples import ALICE, BOB, ROOM
from tests.unit.in_memory import LONG_S, READ_S, REFILLED_S, FakeSocket, InMemoryChat


async def test_it_replays_before_it_writes_live_entries(small_chat: InMemoryChat) -> None:
    alice = FakeSocket()
    small_chat.log.commit(12)

    small_chat.follow(alice, after=3)
    small_chat.post()
    await asyncio.sleep(LONG_S)
    small_chat.post()

    assert alice.seqs == list(range(4, 15))


async def test_it_replays_from_the_ring_without_reading_the_log(chat: InMemoryChat) -> None:
    alice, bob = FakeSocket(ALICE.id), FakeSocket(BOB.id)
    chat.follow(alice)
    chat.post(10)

    chat.follow(bob, after=7)

    assert bob.seqs == [8, 9, 10]
    assert chat.log.reads == []


async def test_it_reads_a_page_once_for_all_followers_with_the_same_cursor(small_chat: InMemoryChat) -> None:
    sockets = [FakeSocket(UUID(int=place)) for place in range(50)]
    for socket in sockets:
        small_chat.follow(socket)
        socket.congested = True
    for _ in range(12):
        small_chat.post()

    for socket in sockets:
        socket.drain(small_chat.hub)
    await asyncio.sleep(LONG_S)

    assert all(socket.seqs == list(range(1, 13)) for socket in sockets)
    assert small_chat.log.reads == [(ROOM, 0), (ROOM, 5)]


async def test_it_reads_each_page_once_for_many_clients_that_resume(small_chat: InMemoryChat) -> None:
    sockets = [FakeSocket(UUID(int=place)) for place in range(50)]
    small_chat.log.commit(15)

    for place, socket in enumerate(sockets):
        small_chat.follow(socket, after=place % 15)
    await asyncio.sleep(0.5)

    assert [socket.seqs[0] for socket in sockets] == [place % 15 + 1 for place in range(50)]
    assert {socket.seqs[-1] for socket in sockets} == {15}
    assert sorted(small_chat.log.reads) == [(ROOM, 0), (ROOM, 5), (ROOM, 10)]


async def test_it_reads_one_page_at_a_time_for_a_socket_that_is_behind_in_many_rooms() -> None:
    """The first page may fill the socket, so that the pages of the other rooms could not be written."""
    rooms = [UUID(int=number) for number in range(1, 21)]
    chat = InMemoryChat(Limits(replay_page_entries=5, ring_max_frames=1))
    socket = FakeSocket(capacity=5)
    for room in rooms:
        chat.log.commit(5, room=room)
        chat.follow(socket, room, after=0)

    for turn in range(1, len(rooms) + 1):
        await asyncio.sleep(2 * READ_S)
        assert len(chat.log.reads) == turn
        assert len(socket.payloads) == 5 * turn
        socket.drain(chat.hub)
    assert all(socket.followers[room].is_live for room in rooms)
    await chat.hub.close()


async def test_it_reads_again_for_a_follower_whose_page_failed(small_chat: InMemoryChat) -> None:
    alice = FakeSocket()
    small_chat.log.commit(7)
    small_chat.log.failures = 1

    small_chat.follow(alice, after=0)
    await asyncio.sleep(LONG_S)

    assert alice.seqs == [1, 2, 3, 4, 5, 6, 7]


# -- revised messages -----------------------------------------------------------------------------------------------


async def test_it_replays_no_earlier_state_of_a_revised_message(chat: InMemoryChat) -> None:
    alice, bob = FakeSocket(ALICE.id), FakeSocket(BOB.id)
    chat.follow(alice)
    chat.post(message_id=1)
    chat.post(message_id=2)
    chat.post(message_id=1, revises=True)
    chat.log.entries[ROOM][0] = RoomNotice(room_id=ROOM, seq=1, payload=b"100", message_id=1)

    chat.follow(bob, after=0)
    await asyncio.sleep(REFILLED_S)

    assert alice.seqs == [1, 2, 3]
    assert bob.seqs == [100, 2, 3]


async def test_it_replays_no_page_that_was_read_before_a_revision(small_chat: InMemoryChat) -> None:
    alice, bob = FakeSocket(ALICE.id), FakeSocket(BOB.id)
    small_chat.log.commit(7, message_id=1)
    small_chat.follow(alice, after=0)
    await asyncio.sleep(READ_S * 3)

    small_chat.log.entries[ROOM][0] = RoomNotice(room_id=ROOM, seq=1, payload=b"100", message_id=1)
    small_chat.post(message_id=1, revises=True)
    small_chat.follow(bob, after=0)
    await asyncio.sleep(READ_S * 3)

    assert alice.seqs == [1, 2, 3, 4, 5, 6, 7, 8]
    assert bob.seqs == [100, 2, 3, 4, 5, 6, 7, 8]


async def test_it_replays_more_slowly_to_a_user_who_was_sent_too_much() -> None:
    limiter = Limiter(per_s=5 * 1024, burst=5 * 1024, clock=asyncio.get_running_loop().time)
    chat = InMemoryChat(Limits(replay_page_entries=5, ring_max_frames=1), charge=limiter.charge)
    greedy, bob = FakeSocket(ALICE.id), FakeSocket(BOB.id)
    chat.log.commit(30)

    chat.follow(greedy, after=0)
    await asyncio.sleep(1)
    chat.follow(bob, after=25)
    await asyncio.sleep(0.01)
    assert bob.seqs == [26, 27, 28, 29, 30]
    assert len(greedy.seqs) <= 15

    await asyncio.sleep(10)
    assert greedy.seqs == list(range(1, 31))
    await chat.hub.close()


async def test_it_reads_pages_for_one_user_after_the_other() -> None:
    chat = InMemoryChat(Limits(replay_page_entries=5, ring_max_frames=1, replay_reads=1))
    rooms = [UUID(int=number) for number in range(1, 21)]
    for room in rooms:
        chat.log.commit(5, room=room)
    for room in rooms[:-1]:
        chat.follow(FakeSocket(ALICE.id), room, after=0)
    bob = FakeSocket(BOB.id)
    chat.follow(bob, rooms[-1], after=0)

    await asyncio.sleep(4 * READ_S)

    assert bob.seqs == [1, 2, 3, 4, 5]
    await chat.hub.close()
