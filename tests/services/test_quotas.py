"""The quotas of rooms and members, in the services that use them. Rate limits are on here, which count daily quotas."""

from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from typing import Any
from uuid import UUID

import msgspec
import pytest
from django.db import connection
from django.db.models import Count, F, Q
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import Usage
from accounts.usage import Use, use_quotas
from foundation.errors import DomainError, LimitReached, RateLimited
from rooms import services
from rooms.log import now
from rooms.models import Membership, Room
from rooms.permissions import Role
from rooms.schema import Joined, MemberPatch, NewMember, NewRoom
from rooms.services.quotas import ADDITIONS, MEMBERSHIPS, ROOMS_MADE, ROOMS_OWNED
from tests.people import Person, make_person
from tests.services.rooms import Ear, add, log_of, make_public_room, make_room, together

pytestmark = pytest.mark.django_db

DAY_S = 24 * 3600

Limit = Callable[..., None]


@pytest.fixture
def limit(settings: Settings) -> Limit:
    """Sets limits. Request it after the fixtures that create rooms."""

    def set_limits(**limits: int) -> None:
        settings.ROOMLOG_LIMITS = msgspec.structs.replace(settings.ROOMLOG_LIMITS, **limits)

    settings.ROOMLOG_RATE_LIMITS = True
    return set_limits


def wait(seconds: float) -> None:
    """Lets time pass for what has been used."""
    Usage.objects.filter(at__gt=0).update(at=F("at") - round(seconds * 1_000_000))


def level(person: Person, quota: Any) -> int:
    return Usage.objects.values_list("level", flat=True).get(user_id=person.id, quota=quota.name)


def refused(kind: type[DomainError], call: Callable[[], object]) -> DomainError:
    """Returns the error of this very kind that `call` raises."""
    with pytest.raises(kind) as refusal:
        call()
    assert type(refusal.value) is kind
    return refusal.value


def join(person: Person, room_id: UUID) -> Joined:
    return services.join_room(user_id=person.id, room_id=room_id)


def leave(person: Person, room_id: UUID) -> None:
    services.leave_room(user_id=person.id, room_id=room_id)


def give(owner: Person, room_id: UUID, member: Person, role: Any) -> None:
    services.update_member(user_id=owner.id, room_id=room_id, member_id=member.id, patch=MemberPatch(role=role))


def assert_counts_are_true() -> None:
    """Asserts that the counts of memberships and of owned rooms are what a count of the rows says."""
    counted = {
        (user_id, quota.name): number
        for quota, role in ((MEMBERSHIPS, Role.MEMBER), (ROOMS_OWNED, Role.OWNER))
        for user_id, number in Membership.objects.values("user_id")
        .annotate(number=Count("room_id", filter=Q(left_seq__isnull=True, role__gte=role)))
        .values_list("user_id", "number")
        if number
    }
    rows = Usage.objects.filter(quota__in=["memberships", "rooms_owned"]).exclude(level=0)
    assert {(row.user_id, row.quota): row.level for row in rows} == counted


# -- rooms a day ------------------------------------------------------------------------------------------------------


def test_it_works(alice: Person, bob: Person, limit: Limit) -> None:
    limit(rooms_per_day=2)
    make_room(alice)
    make_room(alice)

    refusal = refused(RateLimited, lambda: make_room(alice))

    assert refusal.retry_after == pytest.approx(DAY_S / 2, abs=5)
    assert Room.objects.count() == 2
    make_room(bob)  # who has a quota of his own


def test_a_daily_quota_eases_when_the_refusal_says(alice: Person, limit: Limit) -> None:
    limit(rooms_per_day=2)
    make_room(alice)
    make_room(alice)
    wait(3600)
    wait_s = refused(RateLimited, lambda: make_room(alice)).retry_after
    assert wait_s == pytest.approx(DAY_S / 2 - 3600, abs=5)

    wait(DAY_S / 2 - 3660)
    refused(RateLimited, lambda: make_room(alice))
    wait(60)
    make_room(alice)
    refused(RateLimited, lambda: make_room(alice))

    wait(10 * DAY_S)  # of which only one counts
    make_room(alice)
    make_room(alice)
    refused(RateLimited, lambda: make_room(alice))


def test_a_refusal_is_not_counted(alice: Person, bob: Person, limit: Limit, ear: Ear) -> None:
    limit(rooms_per_day=1, max_memberships=1)
    make_room(alice)
    before = list(Usage.objects.order_by("user_id", "quota").values())

    refused(RateLimited, lambda: make_room(alice, bob))

    assert list(Usage.objects.order_by("user_id", "quota").values()) == before
    assert Room.objects.count() == 1
    assert len(ear.notices) == 1


@pytest.mark.parametrize("rate_limits", [True, False])
def test_a_daily_quota_is_off_together_with_the_rate_limits(
    alice: Person, limit: Limit, settings: Settings, rate_limits: bool
) -> None:
    settings.ROOMLOG_RATE_LIMITS = rate_limits
    limit(rooms_per_day=1, max_rooms_owned=2)
    make_room(alice)

    if rate_limits:
        refused(RateLimited, lambda: make_room(alice))
    else:
        make_room(alice)
        refused(LimitReached, lambda: make_room(alice))  # what is there is bounded in any case


# -- additions a day --------------------------------------------------------------------------------------------------


def test_it_limits_the_additions_of_others(alice: Person, bob: Person, charlie: Person, limit: Limit) -> None:
    limit(additions_per_day=3)
    room = make_room(alice, bob, charlie)
    add(alice, room, bob)  # who is a member already: not an addition
    other = make_room(alice)
    add(alice, other, bob)

    refusal = refused(RateLimited, lambda: add(alice, other, charlie))

    assert refusal.field == "user"
    assert refusal.retry_after == pytest.approx(DAY_S / 3, abs=5)
    assert log_of(other) == ["member.joined"] * 2
    refusal = refused(RateLimited, lambda: make_room(alice, bob, charlie))
    assert refusal.field == "members[1]"
    assert refusal.retry_after == pytest.approx(DAY_S * 2 / 3, abs=5)
    make_room(alice)
    join(charlie, make_public_room(bob))  # nobody adds him


def test_it_says_so_if_one_request_names_more_people_than_a_day_allows(
    alice: Person, bob: Person, charlie: Person, limit: Limit
) -> None:
    limit(additions_per_day=1)

    assert refused(LimitReached, lambda: make_room(alice, bob, charlie)).field == "members[1]"


# -- memberships ------------------------------------------------------------------------------------------------------


def test_it_limits_the_memberships_of_a_user(alice: Person, bob: Person, public_room: UUID, limit: Limit) -> None:
    limit(max_memberships=2)
    first, second = make_room(alice, bob), make_public_room(bob)

    refusal = refused(LimitReached, lambda: join(bob, public_room))
    assert (refusal.detail, refusal.field) == ("You can be a member of at most 2 rooms.", None)
    refusal = refused(LimitReached, lambda: add(alice, public_room, bob))
    assert (refusal.detail, refusal.field) == ("This user cannot be a member of more rooms.", "user")
    refusal = refused(LimitReached, lambda: make_room(bob))
    assert (refusal.detail, refusal.field) == ("You can be a member of at most 2 rooms.", None)

    assert join(bob, second).membership.role == "owner"  # already a member
    leave(bob, first)
    assert join(bob, public_room).membership.role == "member"
    assert_counts_are_true()


def test_it_names_the_member_who_cannot_be_in_more_rooms(
    alice: Person, bob: Person, charlie: Person, limit: Limit
) -> None:
    limit(max_memberships=1)
    make_room(charlie)

    assert refused(LimitReached, lambda: make_room(alice, bob, charlie)).field == "members[1]"


def test_a_removed_member_has_a_place_again(alice: Person, bob: Person, room: UUID, limit: Limit) -> None:
    limit(max_memberships=1)
    services.remove_member(user_id=alice.id, room_id=room, member_id=bob.id)

    assert join(bob, make_public_room(make_person("dora"))).membership.role == "member"


# -- rooms owned ------------------------------------------------------------------------------------------------------


def test_it_limits_the_rooms_of_an_owner(alice: Person, bob: Person, room: UUID, limit: Limit) -> None:
    limit(max_rooms_owned=1)

    refusal = refused(LimitReached, lambda: make_room(alice))
    assert refusal.detail == "You can own at most 1 rooms."

    give(alice, room, bob, "owner")
    refused(LimitReached, lambda: make_room(bob))
    give(alice, room, alice, "admin")  # as bob owns the room too
    make_room(alice)
    give(bob, room, alice, "member")
    assert_counts_are_true()


def test_it_limits_owners_whom_others_make(alice: Person, bob: Person, room: UUID, limit: Limit) -> None:
    limit(max_rooms_owned=1)
    make_room(bob)

    refusal = refused(LimitReached, lambda: give(alice, room, bob, "owner"))
    assert (refusal.detail, refusal.field) == ("This user cannot own more rooms.", "role")
    give(alice, room, bob, "admin")
    services.remove_member(user_id=alice.id, room_id=room, member_id=bob.id)
    refusal = refused(LimitReached, lambda: add(alice, room, bob, "owner"))
    assert (refusal.detail, refusal.field) == ("This user cannot own more rooms.", "user")
    add(alice, room, bob)
    assert_counts_are_true()


def test_an_owner_who_leaves_owns_one_room_less(alice: Person, bob: Person, room: UUID, limit: Limit) -> None:
    limit(max_rooms_owned=1)
    give(alice, room, bob, "owner")

    leave(alice, room)

    make_room(alice)
    assert_counts_are_true()


# -- members of a room ------------------------------------------------------------------------------------------------


def test_it_limits_the_members_of_a_room(
    alice: Person, bob: Person, charlie: Person, public_room: UUID, limit: Limit
) -> None:
    limit(max_room_members=2)
    join(bob, public_room)

    refusal = refused(LimitReached, lambda: join(charlie, public_room))
    assert (refusal.detail, refusal.field) == ("A room can have at most 2 members.", None)
    assert refused(LimitReached, lambda: add(alice, public_room, charlie)).field == "user"
    assert refused(LimitReached, lambda: make_room(alice, bob, charlie)).field == "members[1]"
    assert join(bob, public_room).room.member_count == 2

    leave(bob, public_room)
    assert join(charlie, public_room).room.member_count == 2


# -- no bound ---------------------------------------------------------------------------------------------------------


def test_zero_is_no_bound(alice: Person, bob: Person, charlie: Person, limit: Limit) -> None:
    limit(max_memberships=0, max_rooms_owned=0, max_room_members=0, rooms_per_day=0, additions_per_day=0)

    for _ in range(3):
        make_room(alice, bob, charlie)

    assert_counts_are_true()  # counted nevertheless, for the day on which there is a bound
    assert not Usage.objects.filter(quota__in=[ROOMS_MADE.name, ADDITIONS.name]).exists()


def test_a_lower_limit_does_not_keep_anyone_in(alice: Person, bob: Person, limit: Limit) -> None:
    first, _ = make_room(alice, bob), make_room(alice, bob)
    limit(max_memberships=1)

    leave(bob, first)

    assert level(bob, MEMBERSHIPS) == 1


# -- counting ---------------------------------------------------------------------------------------------------------


def test_a_count_that_was_missing_heals_at_zero(bob: Person, room: UUID) -> None:
    """Somebody wrote memberships into the database by hand."""
    Usage.objects.all().delete()

    leave(bob, room)
    join(bob, make_public_room(make_person("dora")))

    assert level(bob, MEMBERSHIPS) == 1


def test_a_clock_that_goes_back_frees_nothing(alice: Person, limit: Limit) -> None:
    limit(rooms_per_day=2)
    at = now()
    for earlier in (timedelta(), timedelta(hours=1)):
        use_quotas([Use(ROOMS_MADE, alice.id)], by_id=alice.id, at=at - earlier)

    assert level(alice, ROOMS_MADE) == DAY_S * 1_000_000
    wait_s = refused(RateLimited, lambda: use_quotas([Use(ROOMS_MADE, alice.id)], by_id=alice.id, at=at)).retry_after
    assert wait_s == DAY_S / 2


def test_it_costs_the_same_however_many_rooms_and_members_there_are(
    alice: Person, bob: Person, limit: Limit, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """Django does not count the statement of the quotas, which is one in any case."""
    for rooms in (0, 5):
        for _ in range(rooms):
            make_room(alice, bob)
        room = make_room(alice)
        with django_assert_num_queries(13):
            add(alice, room, bob)
        with django_assert_num_queries(9):
            leave(bob, room)


def test_the_migration_counts_what_there_is_already(alice: Person, bob: Person, charlie: Person, room: UUID) -> None:
    migration = import_module("rooms.migrations.0002_quotas_and_consent")
    add(alice, room, charlie)
    other = make_room(charlie, bob)
    give(charlie, other, bob, "owner")
    leave(bob, room)
    services.remove_member(user_id=alice.id, room_id=room, member_id=charlie.id)
    Usage.objects.all().delete()
    Membership.objects.update(left_voluntarily=False)

    with connection.cursor() as cursor:
        for statement in (migration.LEFT, migration.MEMBERSHIPS, migration.ROOMS_OWNED):
            cursor.execute(statement)

    assert_counts_are_true()
    assert list(Membership.objects.filter(left_voluntarily=True).values_list("room_id", "user_id")) == [(room, bob.id)]


# -- at once ----------------------------------------------------------------------------------------------------------

at_once = pytest.mark.django_db(transaction=True)


def accepted(answers: list[Any]) -> int:
    """Returns how many calls succeeded. Asserts that the others were refused by a quota."""
    refusals = [answer for answer in answers if isinstance(answer, DomainError)]
    assert {refusal.code for refusal in refusals} <= {"limit_reached", "rate_limited"}, refusals
    return len(answers) - len(refusals)


@at_once
def test_the_last_place_among_the_memberships_is_taken_once(alice: Person, bob: Person, limit: Limit) -> None:
    rooms = [make_public_room(alice) for _ in range(4)]
    make_room(bob)
    limit(max_memberships=2)

    assert accepted(together(*[lambda room=room: join(bob, room) for room in rooms])) == 1
    assert level(bob, MEMBERSHIPS) == Membership.objects.filter(user_id=bob.id, left_seq__isnull=True).count() == 2


@at_once
def test_the_last_place_in_a_room_is_taken_once(alice: Person, public_room: UUID, limit: Limit) -> None:
    people = [make_person(f"person{number}") for number in range(4)]
    limit(max_room_members=2)

    assert accepted(together(*[lambda person=person: join(person, public_room) for person in people])) == 1
    assert Room.objects.get(id=public_room).member_count == 2


@at_once
def test_the_last_room_of_the_day_is_made_once(alice: Person, limit: Limit) -> None:
    limit(rooms_per_day=1)

    assert accepted(together(*[lambda: make_room(alice)] * 4)) == 1
    assert Room.objects.count() == level(alice, ROOMS_OWNED) == 1


@at_once
def test_the_last_addition_of_the_day_is_made_once(alice: Person, bob: Person, limit: Limit) -> None:
    rooms = [make_room(alice) for _ in range(4)]
    limit(additions_per_day=1)

    assert accepted(together(*[lambda room=room: add(alice, room, bob) for room in rooms])) == 1


@at_once
def test_people_who_add_each_other_at_once_do_not_block_each_other(limit: Limit) -> None:
    """Each change counts for the same people, who are named in another order: the rows are locked in sorted order."""
    people = [make_person(f"person{number}") for number in range(4)]
    limit(max_memberships=1_000)

    for _ in range(5):
        made = together(*[lambda turn=turn: make_room(*people[turn:], *reversed(people[:turn])) for turn in range(4)])
        assert accepted(made) == 4
    assert {level(person, MEMBERSHIPS) for person in people} == {20}
    assert_counts_are_true()


@at_once
def test_joins_and_departures_at_once_are_counted_right(alice: Person, limit: Limit) -> None:
    rooms = [make_public_room(alice) for _ in range(3)]
    people = [make_person(f"person{number}") for number in range(2)]
    limit(max_memberships=2)

    def come_and_go(person: Person, room: UUID) -> None:
        for _ in range(4):
            try:
                join(person, room)
                services.leave_room(user_id=person.id, room_id=room)
            except LimitReached:
                pass

    answers = together(
        *[lambda person=person, room=room: come_and_go(person, room) for person in people for room in rooms]
    )

    assert answers == [None] * 6
    assert_counts_are_true()


@at_once
def test_the_same_request_twice_at_once_is_counted_once(alice: Person, bob: Person, limit: Limit) -> None:
    room = make_room(alice)
    limit(additions_per_day=10)
    new = NewMember(user=bob.id)

    answers = together(*[lambda: services.add_member(user_id=alice.id, room_id=room, new=new)[1]] * 4)

    assert sorted(map(str, answers)) == ["False"] * 3 + ["True"]
    assert level(bob, MEMBERSHIPS) == 1
    assert level(alice, ADDITIONS) <= DAY_S * 1_000_000 // 10


def test_everybody_whom_a_new_room_names_is_counted(alice: Person, bob: Person, charlie: Person, limit: Limit) -> None:
    new = NewRoom(name="Tea", kind="private", members=[bob.id, charlie.id, bob.id, alice.id])

    services.create_room(user_id=alice.id, new=new)

    assert_counts_are_true()
    assert level(alice, ADDITIONS) == 2 * DAY_S * 1_000_000 // 1_000
