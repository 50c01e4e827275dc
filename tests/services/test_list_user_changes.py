"""The selector `list_user_changes`: the changes that users have not received yet."""

from typing import Any
from uuid import UUID

import msgspec
import pytest
from pytest_django import DjangoAssertNumQueries

from messaging.fanout.user_delivery import UserChanges
from messaging.selectors.user_changes import list_user_changes
from rooms import services
from rooms.schema import RoomPatch
from tests.people import Person, make_person
from tests.services.rooms import Ear, add, make_public_room, make_room, say

pytestmark = pytest.mark.django_db


def changes_of(person: Person, *, after: int, limit: int = 100) -> UserChanges:
    (changes,) = list_user_changes(known={person.id: after}, limit=limit)
    assert (changes.user_id, changes.after) == (person.id, after)
    return changes


def events_of(changes: UserChanges) -> list[tuple[int, str, UUID, Any]]:
    """Returns version, name, room and data of each event."""
    assert {notice.user_id for notice in changes.notices} <= {changes.user_id}
    events = [(notice.version, msgspec.json.decode(notice.payload)) for notice in changes.notices]
    return [(version, event["event"], UUID(event["room"]), event["data"]) for version, event in events]


def unreceived_by(person: Person, *, after: int = 0) -> list[tuple[int, str, UUID]]:
    return [event[:3] for event in events_of(changes_of(person, after=after))]


def read(person: Person, room: UUID, message_id: int, *, unread: bool = False) -> None:
    services.read_messages(user_id=person.id, room_id=room, message_id=message_id, unread=unread)


def test_it_works(alice: Person, bob: Person, room: UUID) -> None:
    say(alice, room, "one", "two")
    read(bob, room, 1)

    changes = changes_of(bob, after=0)

    assert (changes.through, changes.has_more) == (2, False)
    added, moved = events_of(changes)
    assert added[:3] == (1, "room.added", room)
    assert (added[3]["name"], added[3]["member_count"]) == ("Tea", 2)
    assert moved == (2, "read", room, {"read_id": 1, "unread": 1})


def test_it_returns_the_events_that_are_broadcast(alice: Person, bob: Person, ear: Ear) -> None:
    room = make_room(alice, bob)
    say(alice, room, "one")
    read(bob, room, 1)

    heard = [notice for notice in ear.notices if notice in changes_of(bob, after=0).notices]

    assert len(heard) == 2


def test_it_leaves_out_what_is_known(alice: Person, bob: Person, room: UUID) -> None:
    say(alice, room, "one")
    read(bob, room, 1)

    assert unreceived_by(bob, after=1) == [(2, "read", room)]
    assert list_user_changes(known={bob.id: 2}) == list_user_changes(known={bob.id: 3}) == []


def test_it_leaves_out_whom_nothing_has_concerned(alice: Person, charlie: Person, public_room: UUID) -> None:
    """A user receives nothing about a room that they created or joined."""
    services.join_room(user_id=charlie.id, room_id=public_room)

    assert list_user_changes(known={alice.id: 0, charlie.id: 0}) == []


def test_it_shows_the_present_state_once(alice: Person, bob: Person, room: UUID) -> None:
    say(alice, room, "one", "two", "three")
    for message_id in (1, 2, 3):
        read(bob, room, message_id)
    read(bob, room, 2, unread=True)
    services.update_room(user_id=alice.id, room_id=room, patch=RoomPatch(topic="Leaves"))

    added, moved = events_of(changes_of(bob, after=0))

    assert (added[0], added[3]["topic"]) == (1, "Leaves")
    assert moved == (5, "read", room, {"read_id": 2, "unread": 1})
    assert unreceived_by(bob, after=3) == [(5, "read", room)]


def test_it_sorts_the_changes_of_all_rooms_by_version(alice: Person, bob: Person) -> None:
    rooms = [make_room(alice, bob) for _ in range(3)]
    for room in rooms:
        say(alice, room, "one")
    for room in (rooms[2], rooms[0]):
        read(bob, room, 1)

    assert unreceived_by(bob) == [
        (1, "room.added", rooms[0]),
        (2, "room.added", rooms[1]),
        (3, "room.added", rooms[2]),
        (4, "read", rooms[2]),
        (5, "read", rooms[0]),
    ]


def test_it_tells_nothing_of_a_room_that_the_user_has_left(alice: Person, bob: Person, room: UUID) -> None:
    say(alice, room, "one")
    read(bob, room, 1)
    services.remove_member(user_id=alice.id, room_id=room, member_id=bob.id)

    changes = changes_of(bob, after=0)

    assert (changes.through, changes.notices) == (2, [])


def test_it_tells_of_a_membership_that_began_again_only_what_happened_since(
    alice: Person, bob: Person, room: UUID
) -> None:
    say(alice, room, "one")
    read(bob, room, 1)
    services.remove_member(user_id=alice.id, room_id=room, member_id=bob.id)
    add(alice, room, bob)

    assert unreceived_by(bob) == [(3, "room.added", room)]


def test_it_tells_nothing_of_a_membership_that_the_user_began_again(alice: Person, bob: Person) -> None:
    room = make_public_room(alice)
    add(alice, room, bob)
    services.leave_room(user_id=bob.id, room_id=room)
    services.join_room(user_id=bob.id, room_id=room)

    changes = changes_of(bob, after=0)

    assert (changes.through, changes.notices) == (1, [])


def test_it_takes_two_queries_for_any_number_of_users(
    alice: Person, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    people = [make_person(f"u{number}") for number in range(20)]
    room = make_room(alice, *people)
    known = {person.id: 0 for person in people}

    with django_assert_num_queries(2):
        found = list_user_changes(known=known)

    assert {changes.user_id for changes in found} == known.keys()
    assert all([event[:3] for event in events_of(changes)] == [(1, "room.added", room)] for changes in found)


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 100])
def test_it_tells_everything_once_and_in_order_a_page_at_a_time(alice: Person, bob: Person, limit: int) -> None:
    """The membership of the first room was changed first and last: its events are not next to each other."""
    charlie = make_person("charlie")
    rooms = [make_room(alice, bob, charlie) for _ in range(4)]
    for room in rooms:
        say(alice, room, "one")
    for room in (rooms[1], rooms[0]):
        read(bob, room, 1)
    expected = {bob.id: unreceived_by(bob), charlie.id: unreceived_by(charlie)}
    received: dict[UUID, list[tuple[int, str, UUID]]] = {bob.id: [], charlie.id: []}

    known, pages = {bob.id: 0, charlie.id: 0}, 0
    while found := list_user_changes(known=known, limit=limit):
        pages += 1
        for changes in found:
            assert changes.after == known[changes.user_id]
            received[changes.user_id] += [event[:3] for event in events_of(changes)]
            known[changes.user_id] = changes.through
        assert pages == 1 or any(changes.notices for changes in found)

    assert received == expected
    assert known == {bob.id: 6, charlie.id: 4}
    assert (pages == 1) == (limit == 100)
