"""Joining and leaving a room, also while entries are committed."""

import asyncio

import pytest

from rooms.notices import RoomHint
from tests.unit.examples import ALICE, BOB, ROOM
from tests.unit.in_memory import LONG_S, REFILLED_S, FakeSocket, InMemoryChat


async def test_it_writes_nothing_before_the_follower_is_released(chat: InMemoryChat) -> None:
    alice, bob = FakeSocket(ALICE.id), FakeSocket(BOB.id)
    chat.follow(alice)
    follower = chat.hub.hold(bob, ROOM)

    chat.post(2)
    chat.hub.drained(bob)
    await asyncio.sleep(LONG_S)
    assert bob.seqs == []
    chat.hub.release(follower, cursor=0, since=0, head=0)

    assert alice.seqs == bob.seqs == [1, 2]


@pytest.mark.parametrize("has_other", [True, False])
@pytest.mark.parametrize("head", [2, 3, 4])
async def test_it_delivers_once_what_is_committed_while_a_join_is_answered(
    chat: InMemoryChat, head: int, has_other: bool
) -> None:
    """The head is read before, between or after two commits."""
    alice, bob = FakeSocket(ALICE.id), FakeSocket(BOB.id)
    chat.log.commit(2)
    if has_other:
        chat.follow(alice)

    follower = chat.hub.hold(bob, ROOM)
    new = chat.log.commit(2)
    chat.hub.publish([new[1]])
    chat.hub.publish([new[0], new[1]])
    chat.hub.release(follower, cursor=head, since=0, head=head)
    await asyncio.sleep(LONG_S)
    chat.post()

    assert bob.seqs == [3, 4, 5][head - 2 :]
    assert chat.log.reads == []


async def test_it_joins_at_a_head_newer_than_this_process_knows(chat: InMemoryChat) -> None:
    alice, bob = FakeSocket(ALICE.id), FakeSocket(BOB.id)
    chat.follow(alice)
    chat.log.commit(3)

    chat.follow(bob)
    await asyncio.sleep(REFILLED_S)
    chat.post()

    assert alice.seqs == [1, 2, 3, 4]
    assert bob.seqs == [4]


async def test_it_keeps_a_hint_that_arrives_while_a_join_is_answered(chat: InMemoryChat) -> None:
    alice = FakeSocket()
    follower = chat.hub.hold(alice, ROOM)
    chat.log.commit(2)

    chat.hub.publish([RoomHint(room_id=ROOM, seq=2)])  # as the sweep does when the relay has subscribed
    chat.hub.release(follower, cursor=1, since=1, head=1)
    await asyncio.sleep(REFILLED_S)

    assert alice.seqs == [2]


async def test_it_ignores_the_release_of_a_follower_that_left(chat: InMemoryChat) -> None:
    alice = FakeSocket()
    follower = chat.hub.hold(alice, ROOM)
    chat.post()
    chat.hub.discard(follower)

    chat.hub.release(follower, cursor=0, since=0, head=0)
    chat.post()

    assert alice.seqs == []


async def test_an_earlier_follow_goes_on_until_the_new_one_is_released(chat: InMemoryChat) -> None:
    alice = FakeSocket()
    chat.follow(alice)
    follower = chat.hub.hold(alice, ROOM)
    chat.post(2)
    assert alice.seqs == [1, 2]

    chat.hub.discard(follower)
    chat.post(2)
    assert alice.seqs == [1, 2, 3, 4]


async def test_it_starts_a_new_follow_if_a_socket_joins_again(chat: InMemoryChat) -> None:
    alice = FakeSocket()
    first = chat.follow(alice)
    chat.post(3)

    second = chat.follow(alice, after=1)
    chat.hub.release(first, cursor=0, since=0, head=3)
    await asyncio.sleep(REFILLED_S)
    chat.post()

    assert alice.seqs == [1, 2, 3, 2, 3, 4]
    assert alice.followers == {ROOM: second}


# -- leaving --------------------------------------------------------------------------------------------------------


async def test_it_writes_nothing_to_a_socket_that_left(chat: InMemoryChat) -> None:
    alice, bob = FakeSocket(ALICE.id), FakeSocket(BOB.id)
    chat.follow(alice)
    chat.follow(bob)
    chat.post()

    chat.hub.unfollow(bob, ROOM)
    chat.hub.unfollow(bob, ROOM)
    chat.post()

    assert (alice.seqs, bob.seqs) == ([1, 2], [1])
    assert bob.followers == {}


async def test_it_writes_no_page_to_a_socket_that_left_while_it_was_read(small_chat: InMemoryChat) -> None:
    alice, bob = FakeSocket(ALICE.id), FakeSocket(BOB.id)
    small_chat.log.commit(8)
    small_chat.follow(alice, after=0)
    small_chat.follow(bob, after=0)

    small_chat.hub.unfollow(bob, ROOM)
    await asyncio.sleep(LONG_S)

    assert alice.seqs == list(range(1, 9))
    assert bob.seqs == []


async def test_it_forgets_a_room_without_followers(chat: InMemoryChat) -> None:
    alice, bob = FakeSocket(ALICE.id), FakeSocket(BOB.id)
    chat.follow(alice)
    chat.post(3)
    chat.hub.unfollow(alice, ROOM)
    chat.log.commit(2)

    chat.hub.publish([RoomHint(room_id=ROOM, seq=5)])
    await asyncio.sleep(LONG_S)
    assert chat.log.reads == []
    chat.follow(bob, after=2)
    await asyncio.sleep(REFILLED_S)

    assert bob.seqs == [3, 4, 5]
    assert chat.log.reads == [(ROOM, 0)]  # its ring was dropped with the room
