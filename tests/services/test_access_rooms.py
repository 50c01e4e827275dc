"""The selector `access_rooms`: `access_room` for many users and rooms at once."""

from uuid import UUID, uuid4

import pytest

from foundation.errors import DomainError, NotFound
from rooms import services
from rooms.access import RoomPosition, access_room, access_rooms
from rooms.errors import NotAMember
from rooms.schema import Head
from tests.people import Person
from tests.services.appends import counted_statements
from tests.services.rooms import make_room, say

pytestmark = pytest.mark.django_db


def test_it_works(bob: Person, room: UUID, public_room: UUID) -> None:
    say(bob, room, "hi")
    missing = uuid4()

    with counted_statements() as count:
        (found,) = access_rooms([(bob.id, [room, public_room, missing])])
        assert count() == 2

    position = found[room]
    assert isinstance(position, RoomPosition)
    assert (position.joined_seq, position.read_id, position.unread) == (2, 1, 0)
    assert position.head == Head(seq=3, message_id=1, floor=1)
    assert {type(found[public_room]), type(found[missing])} == {NotAMember, NotFound}
    assert found.keys() == {room, public_room, missing}


def test_it_takes_one_query_for_members_of_every_room(alice: Person, bob: Person, room: UUID) -> None:
    rooms = [room, *(make_room(alice) for _ in range(20))]

    with counted_statements() as count:
        of_alice, of_bob, of_nobody = access_rooms([(alice.id, rooms), (bob.id, [room]), (bob.id, [])])
        assert count() == 1

    assert {type(each) for each in of_alice.values()} == {RoomPosition}
    assert (set(of_alice), set(of_bob), set(of_nobody)) == (set(rooms), {room}, set())


def test_each_user_has_their_own_position_in_a_room(alice: Person, bob: Person, charlie: Person, room: UUID) -> None:
    say(alice, room, "hi")

    found = access_rooms([(bob.id, [room]), (charlie.id, [room]), (alice.id, [room]), (bob.id, [room])])

    positions = [each[room] for each in found]
    assert isinstance(positions[1], NotFound)
    assert [(p.joined_seq, p.unread) for p in positions if isinstance(p, RoomPosition)] == [(2, 1), (1, 0), (2, 1)]


def test_it_refuses_with_the_errors_of_access_room(bob: Person, charlie: Person, room: UUID, public_room: UUID) -> None:
    services.join_room(user_id=charlie.id, room_id=public_room)
    services.leave_room(user_id=charlie.id, room_id=public_room)
    rooms = [room, public_room, uuid4()]

    of_bob, found = access_rooms([(bob.id, [room]), (charlie.id, rooms)])

    assert isinstance(of_bob[room], RoomPosition)
    for room_id in rooms:
        with pytest.raises(DomainError) as refusal:
            access_room(user_id=charlie.id, room_id=room_id)
        error = found[room_id]
        assert isinstance(error, DomainError)
        assert type(refusal.value) is type(error)
        assert (refusal.value.detail, refusal.value.field) == (error.detail, error.field)
