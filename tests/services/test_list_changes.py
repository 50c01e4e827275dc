"""The selector `list_changes`, which each sweep calls."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts import services as accounts
from accounts.models import Session, User
from accounts.schema import SessionStanding
from messaging.selectors.log import list_changes
from tests.people import Person, make_person, sign_in
from tests.services.rooms import say

pytestmark = pytest.mark.django_db


def changed_sessions(*people: Person) -> dict[str, SessionStanding | None]:
    """Returns what changed for the sessions of `people`, which were admitted with `auth_version` 0."""
    auth_versions = {person.session_key: 0 for person in people}
    return dict(list_changes(heads={}, auth_versions=auth_versions, user_versions={}).sessions)


def moved_heads(known: dict[UUID, int]) -> dict[UUID, int]:
    """Returns the heads that are beyond the `known` ones, by room."""
    return dict(list_changes(heads=known, auth_versions={}, user_versions={}).heads)


def test_it_takes_no_query_without_rooms_sessions_and_users(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        assert list_changes(heads={}, auth_versions={}, user_versions={}) == ({}, {}, [])


def test_it_returns_the_heads_that_moved(room: UUID, public_room: UUID, bob: Person) -> None:
    """A room whose head is already known is left out."""
    say(bob, room, "hi")

    assert moved_heads({room: 2, public_room: 1, uuid4(): 0}) == {room: 3}
    assert moved_heads({room: 0, public_room: 0}) == {room: 3, public_room: 1}
    assert moved_heads({room: 3}) == moved_heads({room: 4}) == {}


def test_it_leaves_out_sessions_that_are_still_valid(alice: Person, bob: Person) -> None:
    assert changed_sessions(alice, bob) == {}


def test_it_returns_none_for_a_session_that_has_ended(alice: Person, bob: Person, charlie: Person) -> None:
    phone = sign_in(User.objects.get(id=alice.id))
    Session.objects.filter(session_key=alice.session_key).delete()
    Session.objects.filter(session_key=bob.session_key).update(expire_date=timezone.now() - timedelta(seconds=1))

    assert changed_sessions(alice, phone, bob, charlie) == {alice.session_key: None, bob.session_key: None}


def test_it_returns_the_present_standing_of_a_changed_user(alice: Person, bob: Person, charlie: Person) -> None:
    accounts.set_active(username="alice", active=False)
    User.objects.filter(id=bob.id).update(auth_version=3)

    assert changed_sessions(alice, bob, charlie) == {
        alice.session_key: SessionStanding(is_active=False, auth_version=1),
        bob.session_key: SessionStanding(is_active=True, auth_version=3),
    }


def test_it_leaves_out_sessions_admitted_after_the_change(alice: Person) -> None:
    User.objects.filter(id=alice.id).update(auth_version=3)

    changes = list_changes(heads={}, auth_versions={alice.session_key: 3}, user_versions={})
    assert changes.sessions == {}


def test_it_takes_three_queries_for_any_number_of_rooms_sessions_and_users(
    room: UUID, alice: Person, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    ended = [f"gone-{number}" for number in range(40_000)]
    people = [make_person(f"u{number}") for number in range(10)]
    sessions = dict.fromkeys([*ended, alice.session_key, *(person.session_key for person in people)], 0)
    rooms = {uuid4(): 0 for _ in range(40_000)} | {room: 0}

    users = {uuid4(): 0 for _ in range(40_000)} | {alice.id: 0}

    with django_assert_num_queries(3):
        changes = list_changes(heads=rooms, auth_versions=sessions, user_versions=users)

    assert changes == ({room: 2}, dict.fromkeys(ended), [])
