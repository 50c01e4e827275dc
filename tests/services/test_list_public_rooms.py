"""The selectors `list_public_rooms` and `get_room`."""

from uuid import UUID

import pytest
from pytest_django import DjangoAssertNumQueries

from foundation.errors import NotFound
from rooms.errors import NotAMember
from rooms.schema import RoomPage
from rooms.selectors import get_room, list_public_rooms
from tests.people import Person
from tests.services.rooms import archive, make_public_room

pytestmark = pytest.mark.django_db


def page(search: str = "", *, before: UUID | None = None, after: UUID | None = None, limit: int = 50) -> RoomPage:
    return list_public_rooms(search=search, before=before, after=after, limit=limit)


def ids(page: RoomPage) -> list[UUID]:
    return [room.id for room in page.results]


def test_it_works(room: UUID, public_room: UUID) -> None:
    found = page()

    assert [(room.id, room.name, room.kind) for room in found.results] == [(public_room, "Plaza", "public")]
    assert (found.has_before, found.has_after) == (False, False)


def test_it_leaves_out_archived_rooms(alice: Person, public_room: UUID) -> None:
    archive(alice, public_room)

    assert ids(page()) == []


@pytest.mark.parametrize(
    ("search", "found"),
    [("", 3), ("plaza", 1), ("LAZ", 1), ("100%", 1), ("%", 1), ("_", 1), ("plaza ", 0), ("\\", 0)],
)
def test_it_searches_anywhere_in_the_name(alice: Person, public_room: UUID, search: str, found: int) -> None:
    make_public_room(alice, "100% tea")
    make_public_room(alice, "snake_case")

    assert len(page(search).results) == found


def test_it_pages_in_both_directions(alice: Person) -> None:
    rooms = [make_public_room(alice, f"Tea {number}") for number in range(5)]
    make_public_room(alice, "Coffee")

    first = page("tea", limit=2)
    second = page("tea", after=rooms[1], limit=2)
    last = page("tea", after=rooms[3], limit=2)
    back = page("tea", before=rooms[4], limit=2)
    start = page("tea", before=rooms[2], limit=2)

    assert (ids(first), first.has_before, first.has_after) == (rooms[:2], False, True)
    assert (ids(second), second.has_before, second.has_after) == (rooms[2:4], True, True)
    assert (ids(last), last.has_before, last.has_after) == (rooms[4:], True, False)
    assert (ids(back), back.has_before, back.has_after) == (rooms[2:4], True, True)
    assert (ids(start), start.has_before, start.has_after) == (rooms[:2], False, True)


@pytest.mark.parametrize("rooms", [1, 20])
def test_it_takes_one_query_for_any_number_of_rooms(
    alice: Person, rooms: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    expected = [make_public_room(alice) for _ in range(rooms)]

    with django_assert_num_queries(1):
        assert ids(page()) == expected


def test_it_gets_a_room_for_a_member(bob: Person, room: UUID) -> None:
    assert get_room(user_id=bob.id, room_id=room).name == "Tea"


def test_it_refuses_to_get_a_room_for_a_non_member(charlie: Person, room: UUID, public_room: UUID) -> None:
    with pytest.raises(NotFound):
        get_room(user_id=charlie.id, room_id=room)
    with pytest.raises(NotAMember):
        get_room(user_id=charlie.id, room_id=public_room)
