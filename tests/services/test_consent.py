"""Who may put whom into a room: in `add_member` and `create_room`."""

from uuid import UUID

import pytest
from pytest_django import DjangoAssertNumQueries, Settings

from accounts import services as accounts
from accounts.models import User
from accounts.schema import AddedBy, UserPatch
from foundation.errors import DomainError, Forbidden
from rooms import services
from rooms.consent import Newcomer, require_consent
from rooms.models import Room
from rooms.permissions import Role
from tests.people import Person, make_person
from tests.services.rooms import Ear, add, log_of, make_public_room, make_room, membership_of, set_role, together

pytestmark = pytest.mark.django_db


def choose(person: Person, added_by: AddedBy | None) -> None:
    accounts.update_user(user_id=person.id, patch=UserPatch(added_by=added_by))


def leave(person: Person, room_id: UUID) -> None:
    services.leave_room(user_id=person.id, room_id=room_id)


def join(person: Person, room_id: UUID) -> None:
    services.join_room(user_id=person.id, room_id=room_id)


def remove(owner: Person, room_id: UUID, member: Person) -> None:
    services.remove_member(user_id=owner.id, room_id=room_id, member_id=member.id)


def assert_refused(adder: Person, room_id: UUID, person: Person) -> None:
    """Asserts that `adder` can neither add `person` to the room nor create one with them, and changes nothing."""
    before, rooms = log_of(room_id), Room.objects.count()
    bystander = make_person(f"bystander{User.objects.count()}")
    choose(bystander, "anyone")
    with pytest.raises(Forbidden) as refusal:
        add(adder, room_id, person)
    assert (refusal.value.detail, refusal.value.field) == ("This user does not let you add them to rooms.", "user")
    with pytest.raises(Forbidden) as refusal:
        make_room(adder, bystander, person)
    assert (refusal.value.detail, refusal.value.field) == (
        "This user does not let you add them to rooms.", "members[1]",
    )  # fmt: skip
    assert (log_of(room_id), Room.objects.count()) == (before, rooms)


# -- the user's choice ------------------------------------------------------------------------------------------------


def test_it_works(alice: Person, bob: Person, charlie: Person, room: UUID) -> None:
    choose(charlie, "shares_a_room")
    assert_refused(alice, room, charlie)

    make_room(charlie, alice)

    add(alice, room, charlie)
    make_room(alice, charlie)


def test_anyone_may_add_a_user_who_lets_anyone(alice: Person, charlie: Person, room: UUID) -> None:
    choose(charlie, "anyone")

    add(alice, room, charlie)
    make_room(alice, charlie)


def test_nobody_may_add_a_user_who_wants_to_be_invited(alice: Person, charlie: Person, room: UUID) -> None:
    choose(charlie, "invitation")
    make_room(charlie, alice)

    assert_refused(alice, room, charlie)
    join(charlie, make_public_room(alice))


def test_both_must_be_members_now(alice: Person, bob: Person, charlie: Person, room: UUID) -> None:
    choose(charlie, "shares_a_room")
    shared, other = make_public_room(bob), make_public_room(bob)
    for person in (alice, charlie):
        join(person, shared)
    leave(alice, shared)
    join(alice, other)
    assert_refused(alice, room, charlie)

    join(alice, shared)
    remove(bob, shared, charlie)
    assert_refused(alice, room, charlie)

    join(charlie, other)
    add(alice, room, charlie)


def test_a_room_that_a_third_person_shares_with_each_does_not_count(
    alice: Person, bob: Person, charlie: Person, room: UUID
) -> None:
    choose(charlie, "shares_a_room")
    make_room(charlie, bob)  # and `room` has alice and bob

    assert_refused(alice, room, charlie)
    set_role(bob, room, Role.ADMIN)
    add(bob, room, charlie)


def test_the_users_of_one_request_are_judged_each_by_their_own_choice(
    alice: Person, bob: Person, charlie: Person, room: UUID, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    strangers = [make_person(f"stranger{number}") for number in range(3)]
    for person in (bob, charlie, strangers[2]):
        choose(person, "shares_a_room")

    make_room(alice, strangers[0], bob, strangers[1])
    with pytest.raises(Forbidden) as refusal:
        make_room(alice, strangers[0], bob, charlie, strangers[2])
    assert refusal.value.field == "members[2]"

    shy = [
        Newcomer(User.objects.get(id=person.id), Role.MEMBER, person.username)
        for person in (bob, charlie, strangers[2])
    ]
    with django_assert_num_queries(1), pytest.raises(Forbidden):
        require_consent(shy, by_id=alice.id)
    open_to_all = [Newcomer(User.objects.get(id=strangers[0].id), Role.MEMBER)]
    with django_assert_num_queries(0):
        require_consent(open_to_all, by_id=alice.id)


def test_a_choice_does_not_end_a_membership(alice: Person, bob: Person, room: UUID, ear: Ear) -> None:
    choose(bob, "invitation")

    add(alice, room, bob)  # a member already: nothing changes

    assert ear.changes(room) == []
    assert membership_of(bob, room).left_seq is None


def test_a_removed_member_is_asked_again(alice: Person, bob: Person, room: UUID) -> None:
    choose(bob, "shares_a_room")
    remove(alice, room, bob)

    assert_refused(alice, room, bob)


def test_you_may_name_yourself_when_you_create_a_room(alice: Person) -> None:
    choose(alice, "invitation")

    assert log_of(make_room(alice, alice)) == ["member.joined"]


@pytest.mark.parametrize("default", ["anyone", "shares_a_room", "invitation"])
def test_the_default_is_for_those_who_have_not_chosen(
    alice: Person, bob: Person, charlie: Person, room: UUID, settings: Settings, default: AddedBy
) -> None:
    settings.ROOMLOG_DEFAULT_ADDED_BY = default
    choose(bob, "anyone")
    make_room(alice, bob)

    if default == "anyone":
        make_room(alice, charlie)
    else:
        assert_refused(alice, room, charlie)
        choose(charlie, "anyone")
        make_room(alice, charlie)
        choose(charlie, None)
        assert User.objects.get(id=charlie.id).added_by is None


def test_the_role_is_checked_before_consent(bob: Person, charlie: Person, room: UUID) -> None:
    """A member who may not add members does not learn what others have chosen."""
    choose(charlie, "invitation")

    with pytest.raises(Forbidden) as refusal:
        add(bob, room, charlie)

    assert refusal.value.detail.startswith("To add members")


# -- those who left ---------------------------------------------------------------------------------------------------


def test_nobody_puts_a_user_back_who_left(alice: Person, bob: Person, room: UUID, ear: Ear) -> None:
    leave(bob, room)

    with pytest.raises(Forbidden) as refusal:
        add(alice, room, bob)

    assert (refusal.value.detail, refusal.value.field) == (
        "This user left the room: only they can bring themselves back.", "user",
    )  # fmt: skip
    assert ear.changes(room) == [(3, "member.left")]
    make_room(alice, bob)  # another room is another matter


def test_a_member_who_removes_themselves_has_left(alice: Person, bob: Person, room: UUID) -> None:
    remove(bob, room, bob)

    with pytest.raises(Forbidden):
        add(alice, room, bob)


def test_a_user_who_left_comes_back_and_can_then_be_removed_and_added(
    alice: Person, bob: Person, public_room: UUID
) -> None:
    join(bob, public_room)
    leave(bob, public_room)
    join(bob, public_room)
    assert not membership_of(bob, public_room).left_voluntarily

    remove(alice, public_room, bob)
    add(alice, public_room, bob)
    leave(bob, public_room)
    with pytest.raises(Forbidden):
        add(alice, public_room, bob)


@pytest.mark.django_db(transaction=True)
def test_a_departure_and_an_addition_at_once_leave_nobody_inside(alice: Person, bob: Person, room: UUID) -> None:
    """Whichever is first: bob is a member, which changes nothing, and leaves; or he has left, and is not put back."""
    for _ in range(5):
        answers = together(lambda: leave(bob, room), lambda: add(alice, room, bob))

        assert answers[0] is None
        assert answers[1] is None or isinstance(answers[1], DomainError)
        assert membership_of(bob, room).left_seq is not None
        membership = membership_of(bob, room)
        membership.left_voluntarily = False
        membership.save(update_fields=["left_voluntarily"])
        add(alice, room, bob)
