"""The session engine."""

from collections.abc import Iterator
from uuid import UUID

import pytest
from django.contrib.auth import SESSION_KEY

from accounts import revocation
from accounts.models import Session
from accounts.sessions import SessionStore, public_session_id, session_key_of, session_token_of
from tests.people import Person

pytestmark = pytest.mark.django_db


@pytest.fixture
def announced() -> Iterator[list[UUID]]:
    """The users whose sessions were announced as changed."""
    users: list[UUID] = []
    revocation.add_listener(users.append)
    yield users
    revocation.remove_listener(users.append)


def test_it_works(alice: Person) -> None:
    session = SessionStore()
    session[SESSION_KEY] = str(alice.id)
    session["label"] = "Phone"
    session.save()

    row = Session.objects.get(session_key=session.session_key)
    assert (row.user_id, row.label) == (alice.id, "Phone")
    assert SessionStore(session.session_key)["label"] == "Phone"


def test_it_stores_an_anonymous_session(db: None) -> None:
    session = SessionStore()
    session["n"] = 1
    session.save()

    row = Session.objects.get(session_key=session.session_key)
    assert (row.user_id, row.label) == (None, "")


def test_it_stores_the_user_who_signs_in(alice: Person) -> None:
    session = SessionStore()
    session.save()
    session[SESSION_KEY] = str(alice.id)
    session.save()

    assert Session.objects.get(session_key=session.session_key).user_id == alice.id


def test_it_truncates_a_long_label(alice: Person) -> None:
    session = SessionStore()
    session["label"] = "x" * 1000
    session.save()

    assert Session.objects.get(session_key=session.session_key).label == "x" * 200


def test_it_is_deleted_with_its_user(alice: Person, bob: Person) -> None:
    Session.objects.get(session_key=alice.session_key).user.delete()  # type: ignore[union-attr]

    assert [row.session_key for row in Session.objects.all()] == [bob.session_key]


def test_it_announces_the_user_whose_session_ends(alice: Person, bob: Person, announced: list[UUID]) -> None:
    SessionStore(alice.session_key).delete()
    assert announced == [alice.id]

    SessionStore().delete("never")
    SessionStore(bob.session_key).flush()
    assert announced == [alice.id, bob.id]
    assert not Session.objects.exists()


def test_its_public_id_does_not_reveal_its_key() -> None:
    public_id = public_session_id("secret")

    assert public_id == public_session_id("secret") != public_session_id("other")
    assert "secret" not in str(public_id)


def test_its_token_is_its_signed_key(alice: Person) -> None:
    token = session_token_of(alice.session_key)

    assert session_key_of(token) == alice.session_key
    for forged in ("", alice.session_key, f"{alice.session_key}:", token[:-1], token.upper(), "\x00", "é"):
        assert session_key_of(forged) is None


def test_it_saves_no_refresh_tokens_of_another_request(alice: Person) -> None:
    session = SessionStore(alice.session_key)
    session["n"] = 1
    Session.objects.filter(session_key=alice.session_key).update(refresh_id="newest", refreshed={"first": 1.5})

    session.save()

    row = Session.objects.get(session_key=alice.session_key)
    assert (row.refresh_id, row.refreshed, SessionStore(alice.session_key)["n"]) == ("newest", {"first": 1.5}, 1)
