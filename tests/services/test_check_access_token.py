"""The check of an access token, `check_access_token`."""

import base64
from datetime import timedelta
from typing import Any

import jwt
import pytest
from allauth.headless.tokens.strategies.jwt import internal as tokens
from django.conf import settings as django_settings
from django.contrib.auth import SESSION_KEY
from django.utils import timezone
from pytest_django import Settings

from accounts.adapter import AccountAdapter
from accounts.models import Session, User
from accounts.sessions import SessionStore, public_session_id
from accounts.tokens import TokenExpired, check_access_token
from foundation.errors import Unauthenticated
from tests.people import Person, sign_in
from tests.services.appends import counted_statements

pytestmark = pytest.mark.django_db


def refusal_of(token: str) -> type[Unauthenticated]:
    with pytest.raises(Unauthenticated) as refusal:
        check_access_token(token)
    return refusal.type


def claims_of(person: Person) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(person.token, options={"verify_signature": False})
    return claims


def sign(claims: dict[str, Any], key: str = django_settings.SECRET_KEY, algorithm: str = "HS256") -> str:
    return jwt.encode(claims, key, algorithm=algorithm)


def test_it_works(alice: Person) -> None:
    with counted_statements() as count:
        principal = check_access_token(alice.token)
        assert count() == 1

    assert (principal.user.id, principal.user.username) == (alice.id, "alice")
    assert (principal.session_key, principal.auth_version) == (alice.session_key, 0)
    assert principal.expires_at == Session.objects.get(session_key=alice.session_key).expire_date


def test_it_returns_the_public_id_of_the_session(alice: Person) -> None:
    principal = check_access_token(alice.token)

    assert principal.session_id == public_session_id(alice.session_key) == check_access_token(alice.token).session_id
    assert principal.session_id != sign_in(User.objects.get(id=alice.id)).principal.session_id


# A token whose expiry is beyond the range of a float.
ENDLESS = ".".join(
    base64.b64encode(part).decode().rstrip("=") for part in (b'{"alg":"HS256"}', b'{"exp":1' + b"0" * 400 + b"}", b"x")
)


@pytest.mark.parametrize("token", ["", "nonsense", "a.b.c", "é", "\x00", "." * 10_000, ENDLESS])
def test_it_refuses_a_malformed_token(token: str, db: None) -> None:
    assert refusal_of(token) is Unauthenticated


def test_it_refuses_a_forged_token(alice: Person) -> None:
    claims = claims_of(alice)

    assert refusal_of(sign(claims, key="k" * 64)) is Unauthenticated
    assert refusal_of(sign(claims, key="", algorithm="none")) is Unauthenticated
    assert refusal_of(alice.token[:-4] + "AAAA") is Unauthenticated


def test_it_refuses_a_refresh_token(alice: Person) -> None:
    refresh = sign(claims_of(alice) | {"token_use": "refresh"})

    assert refusal_of(refresh) is Unauthenticated


def test_it_refuses_a_token_with_the_session_of_another_user(alice: Person, bob: Person) -> None:
    assert refusal_of(sign(claims_of(alice) | {"sub": claims_of(bob)["sub"]})) is Unauthenticated


def test_it_refuses_an_unknown_session(alice: Person) -> None:
    for sid in ("", "AAAA", tokens.session_key_to_sid("never")):
        assert refusal_of(sign(claims_of(alice) | {"sid": sid})) is Unauthenticated


def test_it_distinguishes_an_expired_token(alice: Person, settings: Settings) -> None:
    settings.HEADLESS_JWT_ACCESS_TOKEN_EXPIRES_IN = -1
    old = sign_in(User.objects.get(id=alice.id))

    assert refusal_of(old.token) is TokenExpired


def test_it_refuses_a_session_that_has_ended(alice: Person) -> None:
    other = sign_in(User.objects.get(id=alice.id))

    SessionStore(alice.session_key).delete()

    assert refusal_of(alice.token) is Unauthenticated
    assert check_access_token(other.token)


def test_it_refuses_an_expired_session(alice: Person) -> None:
    Session.objects.filter(session_key=alice.session_key).update(expire_date=timezone.now() - timedelta(seconds=1))

    assert refusal_of(alice.token) is Unauthenticated


def test_it_refuses_an_inactive_user(alice: Person, bob: Person) -> None:
    User.objects.filter(id=alice.id).update(is_active=False)

    assert refusal_of(alice.token) is Unauthenticated
    assert check_access_token(bob.token)


def test_it_refuses_a_deleted_user(alice: Person) -> None:
    User.objects.filter(id=alice.id).delete()

    assert refusal_of(alice.token) is Unauthenticated


def test_it_refuses_a_session_from_before_a_password_change(alice: Person, settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    user = User.objects.get(id=alice.id)

    AccountAdapter().set_password(user, "new-secret-9")

    assert refusal_of(alice.token) is Unauthenticated
    assert sign_in(User.objects.get(id=alice.id)).principal.auth_version == 1


def test_it_accepts_a_session_of_an_earlier_secret_key(alice: Person, settings: Settings) -> None:
    """As Django does while `SECRET_KEY_FALLBACKS` has that key. The token itself is signed with the current one."""
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "k" * 64

    moved = sign(claims_of(alice) | {"sid": tokens.session_key_to_sid(alice.session_key)}, key=settings.SECRET_KEY)

    assert check_access_token(moved).session_key == alice.session_key
    settings.SECRET_KEY_FALLBACKS = []
    assert refusal_of(moved) is Unauthenticated


def test_it_refuses_a_session_of_a_removed_backend(alice: Person, settings: Settings) -> None:
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]

    assert refusal_of(alice.token) is Unauthenticated


def test_it_refuses_a_session_with_invalid_data(alice: Person, bob: Person) -> None:
    own = Session.objects.get(session_key=alice.session_key).session_data
    of_bob = SessionStore().encode(SessionStore().decode(own) | {SESSION_KEY: str(bob.id)})
    for data in ("", "nonsense", own[:-2] + "AA", of_bob):
        Session.objects.filter(session_key=alice.session_key).update(session_data=data)

        assert refusal_of(alice.token) is Unauthenticated
