"""A removed member receives the entry of their removal and nothing after it. Earlier removals do not count."""

import asyncio

from rooms.notices import RoomHint
from tests.unit.examples import ALICE, BOB, OTHER_ROOM, ROOM
from tests.unit.in_memory import LONG_S, REFILLED_S, FakeSocket, InMemoryChat


async def test_it_ends_the_follow_of_a_removed_member_after_their_removal(chat: InMemoryChat) -> None:
    alice, bob = FakeSocket(ALICE.id), FakeSocket(BOB.id)
    chat.follow(alice)
    chat.follow(bob)
    new = [*chat.log.commit(), *chat.log.commit(evicts=BOB.id), *chat.log.commit(2)]

    chat.hub.publish(new)
    chat.post()

    assert alice.seqs == [1, 2, 3, 4, 5]
    assert bob.seqs == [1, 2]
    assert ROOM not in bob.followers


async def test_it_ends_the_follow_of_every_socket_of_the_member_in_this_room_only(chat: InMemoryChat) -> None:
    phone, laptop = FakeSocket(BOB.id), FakeSocket(BOB.id)
    for socket in (phone, laptop):
        chat.follow(socket)
        chat.follow(socket, OTHER_ROOM)

    chat.post(evicts=BOB.id)
    chat.post()
    chat.post(room=OTHER_ROOM, size=2)

    for socket in (phone, laptop):
        assert socket.payloads == [b"1", b"1 "]
        assert socket.followers.keys() == {OTHER_ROOM}


async def test_it_ends_the_follow_of_a_member_who_is_behind_once_they_reach_their_removal(
    chat: InMemoryChat,
) -> None:
    bob = FakeSocket(BOB.id)
    chat.follow(bob)
    bob.congested = True
    chat.post(2)
    chat.post(evicts=BOB.id)
    chat.post(2)

    assert ROOM in bob.followers
    bob.drain(chat.hub)
    chat.post()

    assert bob.seqs == [1, 2, 3]
    assert ROOM not in bob.followers


async def test_it_ends_the_follow_of_a_member_who_reads_their_removal_from_the_log(
    small_chat: InMemoryChat,
) -> None:
    alice, bob = FakeSocket(ALICE.id), FakeSocket(BOB.id)
    small_chat.follow(alice)
    small_chat.follow(bob)
    bob.congested = True
    small_chat.post(2)
    small_chat.post(evicts=BOB.id)
    for _ in range(10):
        small_chat.post()

    bob.drain(small_chat.hub)
    await asyncio.sleep(LONG_S)

    assert bob.seqs == [1, 2, 3]
    assert ROOM not in bob.followers
    assert alice.seqs == list(range(1, 14))


async def test_it_ends_the_follow_of_a_member_whose_socket_congests_at_their_removal(chat: InMemoryChat) -> None:
    bob = FakeSocket(BOB.id, capacity=1)
    chat.follow(bob)

    chat.post(evicts=BOB.id)
    chat.post()
    bob.drain(chat.hub)

    assert bob.seqs == [1]
    assert ROOM not in bob.followers


async def test_it_ends_the_follow_at_a_removal_in_a_refilled_hole(chat: InMemoryChat) -> None:
    bob = FakeSocket(BOB.id)
    chat.follow(bob)
    chat.log.commit()
    chat.log.commit(evicts=BOB.id)
    chat.log.commit(2)

    chat.hub.publish([RoomHint(room_id=ROOM, seq=4)])
    await asyncio.sleep(REFILLED_S)

    assert bob.seqs == [1, 2]


async def test_it_ends_the_follow_of_a_member_removed_before_their_join_is_answered(chat: InMemoryChat) -> None:
    bob = FakeSocket(BOB.id)
    chat.log.commit()
    follower = chat.hub.hold(bob, ROOM)

    chat.post(evicts=BOB.id)
    chat.post()
    chat.hub.release(follower, cursor=1, since=1, head=1)

    assert bob.seqs == [2]
    assert ROOM not in bob.followers


# -- earlier memberships --------------------------------------------------------------------------------------------


async def test_it_replays_an_earlier_removal_as_history(chat: InMemoryChat) -> None:
    bob = FakeSocket(BOB.id)
    chat.log.commit(evicts=BOB.id)
    chat.log.commit(2)

    chat.follow(bob, after=0, since=3)
    await asyncio.sleep(REFILLED_S)
    chat.post()

    assert bob.seqs == [1, 2, 3, 4]


async def test_it_ignores_an_earlier_removal_that_arrives_late(chat: InMemoryChat) -> None:
    """This process learns of the removal after the member has joined again."""
    alice, bob = FakeSocket(ALICE.id), FakeSocket(BOB.id)
    chat.follow(alice)
    late = [*chat.log.commit(evicts=BOB.id), *chat.log.commit()]

    chat.follow(bob, since=2)
    chat.hub.publish(late)
    chat.post()

    assert alice.seqs == [1, 2, 3]
    assert bob.seqs == [3]


async def test_it_replays_an_earlier_removal_that_arrives_late_as_history(chat: InMemoryChat) -> None:
    alice, bob = FakeSocket(ALICE.id), FakeSocket(BOB.id)
    chat.follow(alice)
    late = [*chat.log.commit(evicts=BOB.id), *chat.log.commit()]

    chat.follow(bob, after=0, since=2)
    chat.hub.publish(late)
    chat.post()

    assert alice.seqs == bob.seqs == [1, 2, 3]


async def test_it_ends_the_follow_at_the_first_removal_after_the_membership_began(chat: InMemoryChat) -> None:
    bob = FakeSocket(BOB.id)
    chat.log.commit(evicts=BOB.id)
    chat.log.commit()
    chat.log.commit(evicts=BOB.id)
    chat.log.commit(evicts=BOB.id)

    follower = chat.hub.hold(bob, ROOM)
    chat.hub.release(follower, cursor=0, since=2, head=2)
    chat.hub.publish([RoomHint(room_id=ROOM, seq=4)])
    await asyncio.sleep(LONG_S)

    assert bob.seqs == [1, 2, 3]
