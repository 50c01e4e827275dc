"""`X-Session-Token`, django-allauth's credential during a sign-in: it cannot be made from what the database holds."""

import re

import jwt
import pytest
from allauth.usersessions.models import UserSession
from django.core.mail import EmailMessage
from django.core.signing import Signer
from django.test import Client
from pytest_django import Settings

from accounts.models import Session
from accounts.sessions import session_token_of
from tests.api.accounts import PASSWORD, ask, log_in, refresh, sign_up, status_of
from tests.people import Person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fast_hashing")]


def status_with(session_token: str) -> int:
    """Returns the status of a session token. The answer is not checked: with 410, it is not as allauth documents it."""
    return Client().get("/_allauth/app/v1/auth/session", headers={"X-Session-Token": session_token}).status_code


def test_it_works() -> None:
    meta = sign_up().body["meta"]

    assert status_with(meta["session_token"]) == 200
    assert meta["session_token"] == session_token_of(Session.objects.get().session_key)
    assert ask("DELETE", "auth/session", token=meta["access_token"]).status == 401
    assert status_with(meta["session_token"]) == 410


def test_a_row_of_the_database_holds_no_credential() -> None:
    sign_up()
    row = Session.objects.get()
    columns = [row.session_key, row.session_data, row.refresh_id, str(UserSession.objects.get().pk)]

    for text in columns:
        assert status_with(text) == 410
        assert status_of(text) == 401
        assert ask("GET", "auth/session", token=text).status == 401
        assert ask("GET", "auth/session", Cookie=f"sessionid={text}").status == 401
        assert refresh(text).status == 400
    assert Session.objects.exists()


def test_it_is_signed_with_the_present_secret_key(settings: Settings) -> None:
    """As tokens are, so that a new key ends all sessions after a restore. Session keys are in every backup."""
    token = sign_up().body["meta"]["session_token"]
    key = Session.objects.get().session_key

    for forged in (
        Signer(key="k" * 64, salt="accounts.session_token").sign(key),
        Signer(salt="another").sign(key),
        f"{key}:",
        token[:-1],
        f"x{token}",
    ):
        assert status_with(forged) == 410
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "k" * 64
    assert status_with(token) == 410


@pytest.mark.parametrize("use", ["access", "refresh"])
def test_tokens_cannot_be_signed_with_what_a_row_holds(use: str) -> None:
    meta = sign_up().body["meta"]
    claims = jwt.decode(meta[f"{use}_token"], options={"verify_signature": False})
    row = Session.objects.get()

    for key in (row.session_key, row.session_data, row.refresh_id, ""):
        forged = jwt.encode(claims, key, algorithm="HS256" if key else "none")
        assert (status_of(forged), refresh(forged).status) == (401, 400)


def test_it_carries_a_sign_in_of_several_stages(settings: Settings, mailoutbox: list[EmailMessage]) -> None:
    """The code that is mailed is checked in the session of the sign-up, which has no access token yet."""
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    settings.ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
    begun = sign_up(email="dora@example.org")
    assert begun.status == 401
    token = begun.body["meta"]["session_token"]
    code = re.search(r"^[A-Z0-9-]{6,}$", str(mailoutbox[0].body), re.MULTILINE)
    assert code

    wrong = ask("POST", "auth/email/verify", {"key": "ABC123"}, **{"X-Session-Token": token})
    done = ask("POST", "auth/email/verify", {"key": code[0]}, **{"X-Session-Token": token})

    assert (wrong.status, done.status) == (400, 200)
    meta = done.body["meta"]
    assert status_of(meta["access_token"]) == 200
    assert status_of(refresh(meta["refresh_token"]).body["data"]["access_token"]) == 200
    assert (status_with(token), status_with(meta["session_token"])) == (410, 200)  # the session has a new key


def test_it_gives_the_password_again() -> None:
    sign_up()
    session_token = log_in().body["meta"]["session_token"]
    headers = {"X-Session-Token": session_token}
    add = {"email": "dora@example.org"}

    assert ask("POST", "account/email", add, **headers).status == 401
    assert ask("POST", "auth/reauthenticate", {"password": PASSWORD}, **headers).status == 200
    assert ask("POST", "account/email", add, **headers).status == 200


def test_it_is_no_credential_of_ours(alice: Person) -> None:
    assert status_of(session_token_of(alice.session_key)) == 401
