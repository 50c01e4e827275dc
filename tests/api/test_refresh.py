"""tokens/refresh of django-allauth: a refresh token is good once, and a lost answer is repeated."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import jwt
import pytest
from django.conf import settings as django_settings
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Session, User
from accounts.refreshes import MAX_REMEMBERED
from accounts.sessions import SessionStore
from tests.api.accounts import PASSWORD, ask, log_in, refresh, sign_up, status_of
from tests.people import Person
from tests.servers import Server
from tests.sockets import Client, close_code

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fast_hashing")]

Tokens = dict[str, str]


@pytest.fixture
def first(db: None) -> Tokens:
    """The tokens of a sign-up."""
    return tokens_in(sign_up().body["meta"])


def tokens_in(answer: dict[str, Any]) -> Tokens:
    return {name: answer[name] for name in ("access_token", "refresh_token")}


def succeed(tokens: Tokens) -> Tokens:
    """Refreshes, and returns the successors."""
    answer = refresh(tokens["refresh_token"])
    assert answer.status == 200, answer
    return tokens_in(answer.body["data"])


def pass_time(seconds: float) -> None:
    """Makes every use of a refresh token so much older."""
    for session in Session.objects.all():
        aged = {used: at - seconds for used, at in session.refreshed.items()}
        Session.objects.filter(session_key=session.session_key).update(refreshed=aged)


def is_signed_in(tokens: Tokens) -> bool:
    return status_of(tokens["access_token"]) == 200


def test_it_works(first: Tokens) -> None:
    second = succeed(first)

    assert not {*first.values()} & {*second.values()}
    assert is_signed_in(first)
    assert is_signed_in(second)
    assert Session.objects.count() == 1


def test_the_newest_token_works_through_a_chain(first: Tokens) -> None:
    newest = first
    for _ in range(2 * MAX_REMEMBERED):
        newest = succeed(newest)
        pass_time(3600)

    assert is_signed_in(newest)
    assert len(Session.objects.get().refreshed) == 1


def test_it_prolongs_the_session(first: Tokens) -> None:
    Session.objects.update(expire_date=timezone.now() + timedelta(hours=1))

    newest = succeed(first)

    left = Session.objects.get().expire_date - timezone.now()
    assert timedelta(days=29) < left <= timedelta(days=30)
    claims = jwt.decode(newest["refresh_token"], options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 30 * 24 * 3600


# -- again ----------------------------------------------------------------------------------------------------------


def test_it_repeats_an_answer_that_was_lost(first: Tokens) -> None:
    second = succeed(first)

    assert [succeed(first) for _ in range(3)] == [second] * 3
    pass_time(58)
    assert succeed(first)  # its times have moved with those in the database
    assert is_signed_in(succeed(second))


def test_a_repeated_answer_does_not_prolong_the_grace(first: Tokens) -> None:
    succeed(first)
    pass_time(40)
    succeed(first)
    pass_time(21)

    assert refresh(first["refresh_token"]).status == 400


def test_a_late_reuse_ends_the_session(first: Tokens) -> None:
    other = tokens_in(log_in().body["meta"])
    newest = succeed(succeed(first))
    pass_time(61)

    answer = refresh(first["refresh_token"])

    assert (answer.status, answer.body) == (400, {"status": 400})
    assert refresh(newest["refresh_token"]).status == 400
    assert [is_signed_in(each) for each in (first, newest, other)] == [False, False, True]
    assert Session.objects.count() == 1


def test_a_token_before_the_last_one_gets_its_own_successors(first: Tokens) -> None:
    """A tab that is behind follows the chain, within the grace of each token."""
    second = succeed(first)
    third = succeed(second)

    assert succeed(first) == second
    assert succeed(second) == third
    assert succeed(third)


def test_it_remembers_a_bounded_number_of_tokens(first: Tokens) -> None:
    chain = [first]
    for _ in range(MAX_REMEMBERED + 1):
        chain.append(succeed(chain[-1]))

    assert len(Session.objects.get().refreshed) == MAX_REMEMBERED
    assert [succeed(tokens) for tokens in chain[1:-1]] == chain[2:]
    assert refresh(first["refresh_token"]).status == 400
    assert not Session.objects.exists()


def test_a_request_that_saves_the_session_does_not_undo_a_refresh(first: Tokens) -> None:
    slow = SessionStore(Session.objects.get().session_key)
    slow["n"] = 1

    second = succeed(first)
    slow.save()

    assert succeed(first) == second
    assert is_signed_in(succeed(second))


# -- refusals -------------------------------------------------------------------------------------------------------


def test_it_refuses_what_is_no_refresh_token(first: Tokens) -> None:
    session = Session.objects.get()
    claims = jwt.decode(first["refresh_token"], options={"verify_signature": False})
    forged = jwt.encode(claims, "k" * 64, algorithm="HS256")

    for token in (first["access_token"], forged, session.session_key, session.refresh_id, "nonsense"):
        assert refresh(token).status == 400
    assert succeed(first)


def test_it_refuses_an_expired_token(first: Tokens, settings: Settings) -> None:
    claims = jwt.decode(first["refresh_token"], options={"verify_signature": False}) | {"exp": 1}
    expired = jwt.encode(claims, django_settings.SECRET_KEY, algorithm="HS256")

    assert refresh(expired).status == 400
    assert Session.objects.exists()


def expire(session: Session) -> None:
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))


def deactivate(session: Session) -> None:
    User.objects.update(is_active=False)


def change_password(session: Session) -> None:
    user = User.objects.get()
    user.set_password("battery-staple-8")
    user.save()


@pytest.mark.parametrize("end", [expire, deactivate, change_password])
def test_it_refuses_a_session_that_has_ended(first: Tokens, end: Any) -> None:
    end(Session.objects.get())

    assert refresh(first["refresh_token"]).status == 400


def test_it_refuses_after_a_logout(first: Tokens) -> None:
    second = succeed(first)
    assert ask("DELETE", "auth/session", token=first["access_token"]).status == 401

    for tokens in (first, second):
        assert refresh(tokens["refresh_token"]).status == 400


# -- on a server ----------------------------------------------------------------------------------------------------


def post(server: Server, path: str, body: dict[str, str]) -> httpx.Response:
    return httpx.post(f"{server.url}/_allauth/app/v1/{path}", json=body, timeout=30)


def enter(server: Server) -> Tokens:
    return tokens_in(post(server, "auth/signup", {"username": "dora", "password": PASSWORD}).json()["meta"])


def test_tabs_that_refresh_at_once_get_the_same_tokens(server: Server) -> None:
    tokens = enter(server)
    with ThreadPoolExecutor(6) as pool:
        for _ in range(5):
            body = {"refresh_token": tokens["refresh_token"]}
            answers = list(pool.map(lambda _, sent=body: post(server, "tokens/refresh", sent), range(6)))
            assert {answer.status_code for answer in answers} == {200}
            found = [tokens_in(answer.json()["data"]) for answer in answers]
            assert found == [found[0]] * 6
            tokens = found[0]
    assert (
        Session.objects.get().refresh_id
        == jwt.decode(tokens["refresh_token"], options={"verify_signature": False})["jti"]
    )


def test_a_late_reuse_closes_the_sockets_of_the_session(server: Server) -> None:
    first = enter(server)
    login = post(server, "auth/login", {"username": "dora", "password": PASSWORD}).json()["meta"]
    thief = tokens_in(post(server, "tokens/refresh", {"refresh_token": first["refresh_token"]}).json()["data"])
    pass_time(61)

    user = User.objects.get()
    stolen, other = (Person(user.id, "dora", each["access_token"], "") for each in (thief, login))
    with Client(server, stolen) as socket, Client(server, other) as untouched:
        assert post(server, "tokens/refresh", {"refresh_token": first["refresh_token"]}).status_code == 400
        assert close_code(socket) == 4503
        assert untouched.act("ping")["response_status"] == 200
    assert "a refresh token was used again" in server.log
