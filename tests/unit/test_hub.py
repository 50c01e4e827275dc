"""The hub: each follower of a room receives its entries in the order of the log, each once."""

import asyncio

from rooms.notices import RoomHint
from tests.unit.examples import ALICE, BOB, OTHER_ROOM, ROOM
from tests.unit.in_memory import LONG_S, FakeSocket, InMemoryChat


async def test_it_works(chat: InMemoryChat) -> None:
    alice, bob = FakeSocket(ALICE.id), FakeSocket(BOB.id)
    chat.follow(alice)
    chat.follow(bob)

    chat.post()
    chat.post(2)

    assert alice.seqs == bob.seqs == [1, 2, 3]
    assert chat.log.reads == []


async def test_it_writes_only_to_followers(chat: InMemoryChat) -> None:
    alice, bob, stranger = FakeSocket(), FakeSocket(), FakeSocket()
    chat.follow(alice)
    chat.follow(bob, OTHER_ROOM)
    chat.hub.register(stranger)

    chat.post()
    chat.post(2, room=OTHER_ROOM)

    assert (alice.seqs, bob.seqs, stranger.seqs) == ([1], [1, 2], [])


async def test_it_takes_notices_of_many_rooms_at_once(chat: InMemoryChat) -> None:
    alice = FakeSocket()
    chat.follow(alice)
    chat.follow(alice, OTHER_ROOM)

    tea, plaza = chat.log.commit(2), chat.log.commit(2, room=OTHER_ROOM)
    chat.hub.publish([plaza[1], tea[0], plaza[0], tea[1]])

    assert sorted(alice.seqs) == [1, 1, 2, 2]


async def test_it_puts_notices_in_order(chat: InMemoryChat) -> None:
    alice = FakeSocket()
    chat.follow(alice)
    first, second, third = chat.log.commit(3)

    chat.hub.publish([third, first])
    assert alice.seqs == [1]
    chat.hub.publish([second])

    assert alice.seqs == [1, 2, 3]


async def test_it_ignores_doubled_and_late_notices(chat: InMemoryChat) -> None:
    alice = FakeSocket()
    chat.follow(alice)
    new = chat.post(3)

    chat.hub.publish([*new, *new])
    chat.hub.publish([new[0]])
    await asyncio.sleep(LONG_S)

    assert alice.seqs == [1, 2, 3]
    assert chat.log.reads == []


async def test_it_returns_whether_a_hint_revealed_entries(chat: InMemoryChat) -> None:
    chat.follow(FakeSocket())

    assert chat.hub.hint(RoomHint(room_id=ROOM, seq=1))
    assert not chat.hub.hint(RoomHint(room_id=ROOM, seq=1))
    assert not chat.hub.hint(RoomHint(room_id=OTHER_ROOM, seq=1))


async def test_it_leaves_no_task_and_no_timer_behind(small_chat: InMemoryChat) -> None:
    alice, bob = FakeSocket(ALICE.id), FakeSocket(BOB.id)
    small_chat.log.commit(8)
    small_chat.follow(alice, after=0)  # a page is being read
    small_chat.follow(bob, OTHER_ROOM)
    small_chat.log.commit(2, room=OTHER_ROOM)
    small_chat.hub.publish([RoomHint(room_id=OTHER_ROOM, seq=2)])  # a timer is set
    await asyncio.sleep(0)

    await small_chat.hub.close()
    reads = len(small_chat.log.reads)
    await asyncio.sleep(LONG_S)

    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert len(small_chat.log.reads) == reads
    assert alice.seqs == bob.seqs == []
