"""Sockets by user and by session."""

from rooms.notices import UserNotice
from tests.unit.examples import ALICE, BOB, OTHER_ROOM
from tests.unit.in_memory import FakeSocket, InMemoryChat


async def test_it_writes_to_every_socket_of_a_user(chat: InMemoryChat) -> None:
    phone, laptop, bob = FakeSocket(ALICE.id), FakeSocket(ALICE.id), FakeSocket(BOB.id)
    for socket in (phone, laptop, bob):
        chat.hub.register(socket)

    chat.hub.publish([UserNotice(user_id=ALICE.id, version=1, payload=b"7")])

    assert (phone.seqs, laptop.seqs, bob.seqs) == ([7], [7], [])


async def test_it_writes_to_the_other_sockets_of_a_user_after_one_closed(chat: InMemoryChat) -> None:
    phone, laptop = FakeSocket(ALICE.id), FakeSocket(ALICE.id)
    chat.hub.register(phone)
    chat.hub.register(laptop)

    chat.hub.unregister(phone)
    chat.hub.unregister(phone)
    chat.hub.publish([UserNotice(user_id=ALICE.id, version=1, payload=b"7")])

    assert (phone.seqs, laptop.seqs) == ([], [7])


async def test_it_forgets_a_closed_socket(chat: InMemoryChat) -> None:
    alice = FakeSocket()
    chat.hub.register(alice)
    chat.follow(alice)
    chat.follow(alice, OTHER_ROOM)

    chat.hub.unregister(alice)
    chat.post()
    chat.post(room=OTHER_ROOM)
    chat.hub.publish([UserNotice(user_id=ALICE.id, version=1, payload=b"1")])

    assert (alice.seqs, alice.followers) == ([], {})


async def test_it_keeps_the_lowest_auth_version_of_each_session() -> None:
    hub = InMemoryChat().hub
    before, after = FakeSocket(ALICE.id), FakeSocket(ALICE.id)
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
