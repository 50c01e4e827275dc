"""The selector `list_my_rooms`."""

from uuid import UUID

import pytest
from pytest_django import DjangoAssertNumQueries

from messaging.selectors.my_rooms import list_my_rooms
from messaging.wire.shapes import MyRoomPage
from rooms import services
from tests.people import Person
from tests.services.rooms import archive, make_room, say

pytestmark = pytest.mark.django_db


def page(person: Person, *, before: UUID | None = None, after: UUID | None = None, limit: int = 50) -> MyRoomPage:
    return list_my_rooms(user_id=person.id, before=before, after=after, limit=limit)


def ids(page: MyRoomPage) -> list[UUID]:
    return [room.id for room in page.results]


def test_it_works(alice: Person, bob: Person, room: UUID) -> None:
    say(alice, room, "one", "two")

    (mine,) = page(bob).results

    assert (mine.id, mine.name, mine.kind, mine.member_count) == (room, "Tea", "private", 2)
    assert (mine.membership.user.username, mine.membership.role, mine.membership.read_id) == ("bob", "member", 0)
    assert (mine.head.seq, mine.head.message_id, mine.unread, mine.mentions) == (4, 2, 2, 0)
    assert mine.last_message is not None
    assert (mine.last_message.id, mine.last_message.text, mine.last_message.sender.username) == (2, "two", "alice")


def test_it_lists_a_room_without_messages(bob: Person, room: UUID) -> None:
    (mine,) = page(bob).results

    assert (mine.last_message, mine.unread) == (None, 0)


def test_it_lists_only_rooms_of_which_the_user_is_a_member(
    alice: Person, bob: Person, charlie: Person, room: UUID, public_room: UUID
) -> None:
    assert ids(page(alice)) == [room, public_room]
    assert ids(page(charlie)) == []

    services.leave_room(user_id=bob.id, room_id=room)

    assert page(bob) == MyRoomPage(results=[], has_before=False, has_after=False)


def test_it_lists_archived_rooms(alice: Person, bob: Person, room: UUID) -> None:
    archive(alice, room)

    assert page(bob).results[0].archived_at is not None


def test_it_pages_in_both_directions(alice: Person) -> None:
    rooms = [make_room(alice) for _ in range(5)]
    assert rooms == sorted(rooms)

    first = page(alice, limit=2)
    second = page(alice, after=rooms[1], limit=2)
    last = page(alice, after=rooms[3], limit=2)
    back = page(alice, before=rooms[4], limit=2)
    start = page(alice, before=rooms[2], limit=2)

    assert (ids(first), first.has_before, first.has_after) == (rooms[:2], False, True)
    assert (ids(second), second.has_before, second.has_after) == (rooms[2:4], True, True)
    assert (ids(last), last.has_before, last.has_after) == (rooms[4:], True, False)
    assert (ids(back), back.has_before, back.has_after) == (rooms[2:4], True, True)
    assert (ids(start), start.has_before, start.has_after) == (rooms[:2], False, True)


@pytest.mark.parametrize("rooms", [1, 20])
def test_it_takes_two_queries_for_any_number_of_rooms(
    alice: Person, bob: Person, rooms: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(rooms):
        say(alice, make_room(alice, bob), f"hello {number}")

    with django_assert_num_queries(2):
        found = page(bob)

    texts = [room.last_message.text for room in found.results if room.last_message]
    assert texts == [f"hello {number}" for number in range(rooms)]
