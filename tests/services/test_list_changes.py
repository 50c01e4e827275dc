"""The selector `list_changes`: what each sweep asks."""

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


def changed(*people: Person) -> dict[str, SessionStanding | None]:
    """Of sessions that were admitted before anything changed."""
    return list_changes(heads={}, auth_versions={person.session_key: 0 for person in people})[1]


def moved(known: dict[UUID, int]) -> dict[UUID, int]:
    return list_changes(heads=known, auth_versions={})[0]


def test_it_asks_nothing_about_nothing(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        assert list_changes(heads={}, auth_versions={}) == ({}, {})


def test_it_tells_of_rooms_that_moved_on(room: UUID, public_room: UUID, bob: Person) -> None:
    """Who knows no less than the log holds hears nothing of it."""
    say(bob, room, "hi")

    assert moved({room: 2, public_room: 1, uuid4(): 0}) == {room: 3}
    assert moved({room: 0, public_room: 0}) == {room: 3, public_room: 1}
    assert moved({room: 3}) == moved({room: 4}) == {}


def test_it_says_nothing_of_sessions_that_stand(alice: Person, bob: Person) -> None:
    assert changed(alice, bob) == {}


def test_it_tells_of_sessions_that_ended(alice: Person, bob: Person, charlie: Person) -> None:
    phone = sign_in(User.objects.get(id=alice.id))
    Session.objects.filter(session_key=alice.session_key).delete()
    Session.objects.filter(session_key=bob.session_key).update(expire_date=timezone.now() - timedelta(seconds=1))

    assert changed(alice, phone, bob, charlie) == {alice.session_key: None, bob.session_key: None}


def test_it_tells_what_users_are_now(alice: Person, bob: Person, charlie: Person) -> None:
    accounts.set_active(username="alice", active=False)
    User.objects.filter(id=bob.id).update(auth_version=3)

    assert changed(alice, bob, charlie) == {
        alice.session_key: SessionStanding(is_active=False, auth_version=1),
        bob.session_key: SessionStanding(is_active=True, auth_version=3),
    }


def test_it_says_nothing_of_what_was_admitted_since(alice: Person) -> None:
    User.objects.filter(id=alice.id).update(auth_version=3)

    assert list_changes(heads={}, auth_versions={alice.session_key: 3})[1] == {}


def test_it_takes_two_queries_however_many_it_is_asked_of(
    room: UUID, alice: Person, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    ended = [f"gone-{place}" for place in range(40_000)]
    people = [make_person(f"u{place}") for place in range(10)]
    sessions = dict.fromkeys([*ended, alice.session_key, *(person.session_key for person in people)], 0)
    rooms = {uuid4(): 0 for _ in range(40_000)} | {room: 0}

    with django_assert_num_queries(2):
        heads, gone = list_changes(heads=rooms, auth_versions=sessions)

    assert heads == {room: 2}
    assert gone == dict.fromkeys(ended)
