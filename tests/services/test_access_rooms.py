"""The selector `access_rooms`: `access_room` for many rooms at once."""

from uuid import UUID, uuid4

import pytest
from pytest_django import DjangoAssertNumQueries

from foundation.errors import DomainError, NotFound
from rooms import services
from rooms.access import access_room, access_rooms
from rooms.errors import NotAMember
from rooms.schema import Head
from tests.people import Person
from tests.services.rooms import make_room, say

pytestmark = pytest.mark.django_db


def test_it_works(
    bob: Person, room: UUID, public_room: UUID, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    say(bob, room, "hi")
    missing = uuid4()

    with django_assert_num_queries(2):
        positions, errors = access_rooms(user_id=bob.id, room_ids=[room, public_room, missing])

    (position,) = positions.values()
    assert (list(positions), position.joined_seq, position.read_id, position.unread) == ([room], 2, 1, 0)
    assert position.head == Head(seq=3, message_id=1, floor=1)
    assert {room_id: type(error) for room_id, error in errors.items()} == {public_room: NotAMember, missing: NotFound}


def test_it_takes_one_query_for_a_member_of_every_room(
    alice: Person, room: UUID, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    rooms = [room, *(make_room(alice) for _ in range(20))]

    with django_assert_num_queries(1):
        positions, errors = access_rooms(user_id=alice.id, room_ids=rooms)

    assert (set(positions), errors) == (set(rooms), {})


def test_it_refuses_with_the_errors_of_access_room(bob: Person, charlie: Person, room: UUID, public_room: UUID) -> None:
    services.join_room(user_id=charlie.id, room_id=public_room)
    services.leave_room(user_id=charlie.id, room_id=public_room)
    rooms = [room, public_room, uuid4()]

    _, errors = access_rooms(user_id=charlie.id, room_ids=rooms)

    for room_id in rooms:
        with pytest.raises(DomainError) as refusal:
            access_room(user_id=charlie.id, room_id=room_id)
        assert type(refusal.value) is type(errors[room_id])
        assert (refusal.value.detail, refusal.value.field) == (errors[room_id].detail, errors[room_id].field)
