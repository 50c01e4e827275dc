"""The selectors `list_members` and `get_member`."""

from uuid import UUID, uuid4

import pytest
from pytest_django import DjangoAssertNumQueries

from foundation.errors import NotFound
from rooms import services
from rooms.errors import NotAMember
from rooms.schema import MemberPage
from rooms.selectors import get_member, list_members
from tests.people import Person, make_person
from tests.services.rooms import make_room

pytestmark = pytest.mark.django_db


def page(
    person: Person, room: UUID, *, before: UUID | None = None, after: UUID | None = None, limit: int = 50
) -> MemberPage:
    return list_members(user_id=person.id, room_id=room, before=before, after=after, limit=limit)


def names(page: MemberPage) -> list[str]:
    return [member.user.username for member in page.results]


def test_it_works(alice: Person, bob: Person, room: UUID) -> None:
    found = page(bob, room)

    assert [(member.user.id, member.role, member.joined_seq) for member in found.results] == [
        (alice.id, "owner", 1),
        (bob.id, "member", 2),
    ]
    assert (found.has_before, found.has_after) == (False, False)


def test_it_leaves_out_former_members(alice: Person, bob: Person, room: UUID) -> None:
    services.leave_room(user_id=bob.id, room_id=room)

    assert names(page(alice, room)) == ["alice"]


def test_it_pages_in_both_directions(alice: Person) -> None:
    people = [alice, *(make_person(name) for name in "bcde")]
    room = make_room(*people)

    first = page(alice, room, limit=2)
    second = page(alice, room, after=people[1].id, limit=2)
    last = page(alice, room, after=people[3].id, limit=2)
    back = page(alice, room, before=people[4].id, limit=2)
    start = page(alice, room, before=people[2].id, limit=2)

    assert (names(first), first.has_before, first.has_after) == (["alice", "b"], False, True)
    assert (names(second), second.has_before, second.has_after) == (["c", "d"], True, True)
    assert (names(last), last.has_before, last.has_after) == (["e"], True, False)
    assert (names(back), back.has_before, back.has_after) == (["c", "d"], True, True)
    assert (names(start), start.has_before, start.has_after) == (["alice", "b"], False, True)


@pytest.mark.parametrize("members", [1, 20])
def test_it_takes_two_queries_for_any_number_of_members(
    alice: Person, members: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    room = make_room(alice, *(make_person(f"member{number}") for number in range(members)))

    with django_assert_num_queries(2):
        assert len(page(alice, room).results) == members + 1


def test_it_refuses_a_non_member(charlie: Person, room: UUID, public_room: UUID) -> None:
    with pytest.raises(NotFound):
        page(charlie, room)
    with pytest.raises(NotAMember):
        page(charlie, public_room)


def test_it_gets_one_member(alice: Person, bob: Person, room: UUID) -> None:
    member = get_member(user_id=bob.id, room_id=room, member_id=alice.id)

    assert (member.user.username, member.role) == ("alice", "owner")


def test_it_refuses_to_get_a_user_who_is_not_a_member(alice: Person, bob: Person, charlie: Person, room: UUID) -> None:
    services.leave_room(user_id=bob.id, room_id=room)

    for member_id in (bob.id, charlie.id, uuid4()):
        with pytest.raises(NotFound) as refusal:
            get_member(user_id=alice.id, room_id=room, member_id=member_id)
        assert refusal.value.field == "user"


def test_it_refuses_to_get_a_member_for_a_non_member(
    alice: Person, charlie: Person, room: UUID, public_room: UUID
) -> None:
    with pytest.raises(NotFound):
        get_member(user_id=charlie.id, room_id=room, member_id=alice.id)
    with pytest.raises(NotAMember):
        get_member(user_id=charlie.id, room_id=public_room, member_id=alice.id)
