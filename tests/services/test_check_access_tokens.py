"""`check_access_tokens`: the check of an access token, for many at once."""

import pytest
from allauth.headless.tokens.strategies.jwt import internal as tokens
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Session, User
from accounts.schema import Principal
from accounts.sessions import SessionStore
from accounts.tokens import TokenExpired, check_access_token, check_access_tokens
from foundation.errors import Unauthenticated
from tests.people import Person, make_person, sign_in
from tests.services.appends import counted_statements

pytestmark = pytest.mark.django_db


def verdicts(outcomes: list[Principal | Unauthenticated]) -> list[str | type]:
    return [each.user.username if isinstance(each, Principal) else type(each) for each in outcomes]


def test_it_works(alice: Person, bob: Person, charlie: Person) -> None:
    with counted_statements() as count:
        outcomes = check_access_tokens([bob.token, alice.token, charlie.token])
        assert count() == 1

    assert outcomes == [check_access_token(person.token) for person in (bob, alice, charlie)]


def test_each_token_has_its_own_outcome_in_the_order_of_the_tokens(alice: Person, settings: Settings) -> None:
    settings.HEADLESS_JWT_ACCESS_TOKEN_EXPIRES_IN = -1
    expired = make_person("expired")
    settings.HEADLESS_JWT_ACCESS_TOKEN_EXPIRES_IN = 60
    ended, inactive, deleted, old, changed = map(make_person, ("ended", "inactive", "deleted", "old", "changed"))
    SessionStore(ended.session_key).delete()
    User.objects.filter(id=inactive.id).update(is_active=False)
    User.objects.filter(id=deleted.id).delete()
    Session.objects.filter(session_key=old.session_key).update(expire_date=timezone.now())
    User.objects.filter(id=changed.id).update(password="!other")
    forged = alice.token[:-4] + "AAAA"
    mixed_up = tokens.create_token(
        "access", sub=str(ended.id), sid=tokens.session_key_to_sid(alice.session_key), expires_in=60
    )[0]

    given = ["nonsense", alice.token, forged, mixed_up, *(p.token for p in (expired, ended, inactive, deleted, old))]
    outcomes = check_access_tokens([*given, changed.token, "", alice.token])

    assert verdicts(outcomes) == [
        *(Unauthenticated, "alice", Unauthenticated, Unauthenticated),
        *(TokenExpired, Unauthenticated, Unauthenticated, Unauthenticated, Unauthenticated),
        *(Unauthenticated, Unauthenticated, "alice"),
    ]


def test_the_sockets_of_one_session_are_all_admitted(alice: Person) -> None:
    other = sign_in(User.objects.get(id=alice.id))

    outcomes = check_access_tokens([alice.token, other.token, alice.token])

    assert [each.session_key for each in outcomes if isinstance(each, Principal)] == [
        alice.session_key,
        other.session_key,
        alice.session_key,
    ]


def test_it_takes_no_query_if_no_token_is_valid(db: None) -> None:
    with counted_statements() as count:
        assert verdicts(check_access_tokens(["", "a.b.c"])) == [Unauthenticated, Unauthenticated]
        assert check_access_tokens([]) == []
        assert count() == 0
