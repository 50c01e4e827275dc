"""The sockets of users and of their sessions."""

from rooms.events import UserNotice
from tests.unit.examples import ALICE, BOB, OTHER_ROOM
from tests.unit.rooms import House, Socket


async def test_it_tells_every_socket_of_a_user(house: House) -> None:
    phone, laptop, bob = Socket(ALICE.id), Socket(ALICE.id), Socket(BOB.id)
    for socket in (phone, laptop, bob):
        house.hub.register(socket)

    house.hub.publish([UserNotice(user_id=ALICE.id, payload=b"7")])

    assert (phone.seqs, laptop.seqs, bob.seqs) == ([7], [7], [])


async def test_it_tells_the_other_sockets_of_a_user_when_one_is_gone(house: House) -> None:
    phone, laptop = Socket(ALICE.id), Socket(ALICE.id)
    house.hub.register(phone)
    house.hub.register(laptop)

    house.hub.unregister(phone)
    house.hub.unregister(phone)
    house.hub.publish([UserNotice(user_id=ALICE.id, payload=b"7")])

    assert (phone.seqs, laptop.seqs) == ([], [7])


async def test_it_forgets_a_socket_that_is_gone(house: House) -> None:
    alice = Socket()
    house.hub.register(alice)
    house.follow(alice)
    house.follow(alice, OTHER_ROOM)

    house.hub.unregister(alice)
    house.happen()
    house.happen(room=OTHER_ROOM)
    house.hub.publish([UserNotice(user_id=ALICE.id, payload=b"1")])

    assert (alice.seqs, alice.followers) == ([], {})


async def test_it_knows_the_oldest_admission_of_each_session() -> None:
    hub = House().hub
    before, after = Socket(ALICE.id), Socket(ALICE.id)
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
