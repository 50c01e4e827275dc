"""Sign-up, login, refresh and logout with django-allauth, at /_allauth/app/v1/."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from allauth.account import app_settings
from allauth.core.internal.ratelimit import parse_rates
from pytest_django import Settings

from accounts.middleware import RETRY_AFTER_S
from accounts.models import Session, User
from tests.api.accounts import PASSWORD, ask, log_in, sign_up, status_of
from tests.api.rest import Rest, refusal
from tests.conftest import StartServer
from tests.people import Person
from tests.servers import Server

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fast_hashing")]

# Rate limits of allauth that are not answered with 429: failed logins, and emails, which are then not sent.
SILENT = {"login_failed", "confirm_email"}


def test_it_works(db: None) -> None:
    answer = sign_up()

    assert answer.status == 200
    assert answer.body["meta"]["refresh_token"]
    token = answer.body["meta"]["access_token"]
    me = Rest().get("users/me/", Authorization=f"Bearer {token}").body
    assert (me["username"], me["display_name"], me["bot"]) == ("dora", "dora", False)
    assert Session.objects.get().user == User.objects.get()


def test_it_lowercases_the_username(db: None) -> None:
    sign_up("Dora")

    assert User.objects.get().username == "dora"
    assert log_in("DORA").status == 200
    assert sign_up("dORA").status == 400


@pytest.mark.parametrize(
    "username", ["", "-dora", "do ra", "döra", "dora\nx", "do\x00ra", "\u202earod", "a/b", "a@b", "x" * 65, "."]
)
def test_it_refuses_an_invalid_username(username: str, db: None) -> None:
    answer = sign_up(username)

    assert answer.status == 400
    assert answer.body["errors"][0]["param"] == "username"
    assert not User.objects.exists()


@pytest.mark.parametrize("password", ["", "short", "password1"])
def test_it_refuses_a_weak_password(password: str, db: None) -> None:
    answer = sign_up(password=password)

    assert answer.status == 400
    assert answer.body["errors"][0]["param"] == "password"
    assert not User.objects.exists()


def test_it_logs_in(db: None) -> None:
    sign_up()

    token = log_in().body["meta"]["access_token"]

    assert status_of(token) == 200
    assert Session.objects.filter(user__username="dora").count() == 2
    assert log_in(password="wrong-horse-9").status == 400
    assert log_in("nobody").status == 400


@pytest.fixture
def _one_a_minute(settings: Settings) -> None:
    """Allows one sign-up and one login per minute. The limits of failed logins keep their defaults."""
    settings.ACCOUNT_RATE_LIMITS = {"signup": "1/m/ip", "login": "1/m/ip"}


@pytest.mark.usefixtures("_one_a_minute")
def test_it_says_when_to_retry() -> None:
    assert [sign_up("dora").status, log_in("dora").status] == [200, 200]

    for answer in (sign_up("erin"), log_in("dora")):
        assert (answer.status, answer.body) == (429, {"status": 429})
        assert answer.headers["Retry-After"] == "60"


def test_it_says_when_to_retry_under_asgi(start_server: StartServer) -> None:
    with start_server(ROOMLOG_RATE_LIMITS="on").rest() as rest:
        answers = [rest.post("/_allauth/app/v1/auth/login", json={}) for _ in range(31)]

    assert [answer.status_code for answer in answers] == [400] * 30 + [429]
    assert [answer.headers.get("Retry-After") for answer in answers] == [None] * 30 + ["60"]


def test_its_retry_after_covers_every_rate_limit(settings: Settings) -> None:
    settings.ACCOUNT_RATE_LIMITS = {}
    limits = {name: rate for name, rate in app_settings.RATE_LIMITS.items() if name not in SILENT}

    assert {"signup", "login"} <= limits.keys()
    assert max(rate.duration for text in limits.values() for rate in parse_rates(text)) == RETRY_AFTER_S


@pytest.mark.parametrize(("usernames", "most"), [(["dora"] * 6, 5), ([f"dora{n}" for n in range(11)], 10)])
def test_it_limits_failed_logins(settings: Settings, usernames: list[str], most: int) -> None:
    settings.ACCOUNT_RATE_LIMITS = {}

    codes = [log_in(username).body["errors"][0]["code"] for username in usernames]

    assert codes == ["username_password_mismatch"] * most + ["too_many_login_attempts"]


def test_it_limits_failed_logins_under_whatever_host_and_port(settings: Settings) -> None:
    settings.ACCOUNT_RATE_LIMITS = {"login_failed": "5/5m/key"}
    hosts = [f"localhost:{port}" for port in range(8000, 8006)] + ["127.0.0.1"]
    body = {"username": "dora", "password": PASSWORD}

    answers = [Rest().post("/_allauth/app/v1/auth/login", body, {"Host": host}) for host in hosts]

    codes = [answer.body["errors"][0]["code"] for answer in answers]
    assert codes == ["username_password_mismatch"] * 5 + ["too_many_login_attempts"] * 2


def test_it_refuses_an_inactive_user(db: None) -> None:
    token = sign_up().body["meta"]["access_token"]
    User.objects.update(is_active=False)

    assert status_of(token) == 401
    assert "access_token" not in log_in().body.get("meta", {})


def test_it_refreshes(db: None) -> None:
    meta = sign_up().body["meta"]

    answer = ask("POST", "tokens/refresh", {"refresh_token": meta["refresh_token"]})

    assert answer.status == 200
    assert status_of(answer.body["data"]["access_token"]) == 200
    assert ask("POST", "tokens/refresh", {"refresh_token": meta["access_token"]}).status == 400


def test_it_ends_the_session_at_logout(db: None) -> None:
    meta, other = sign_up().body["meta"], log_in().body["meta"]
    token = meta["access_token"]

    assert ask("DELETE", "auth/session", token=token).status == 401  # how allauth answers a logout

    answer = Rest().get("users/me/", Authorization=f"Bearer {token}")
    assert refusal(answer) == (401, "unauthenticated", None)
    assert ask("POST", "tokens/refresh", {"refresh_token": meta["refresh_token"]}).status == 400
    assert status_of(other["access_token"]) == 200


def test_it_lists_and_ends_sessions(db: None) -> None:
    first, second = sign_up().body["meta"]["access_token"], log_in().body["meta"]["access_token"]

    sessions = ask("GET", "auth/sessions", token=first).body["data"]
    other = [session["id"] for session in sessions if not session["is_current"]]
    assert (len(sessions), len(other)) == (2, 1)
    assert ask("DELETE", "auth/sessions", {"sessions": other}, token=first).status == 200

    assert (status_of(first), status_of(second)) == (200, 401)


def test_a_password_change_ends_other_sessions(db: None) -> None:
    first, second = sign_up().body["meta"]["access_token"], log_in().body["meta"]["access_token"]

    change = {"current_password": PASSWORD, "new_password": "battery-staple-8"}
    assert ask("POST", "account/password/change", change, token=first).status == 200

    assert status_of(second) == 401
    assert User.objects.get().auth_version == 1
    assert log_in().status == 400
    assert status_of(log_in(password="battery-staple-8").body["meta"]["access_token"]) == 200


def test_a_password_change_requires_the_current_password(db: None) -> None:
    token = sign_up().body["meta"]["access_token"]

    change = {"current_password": "wrong-horse-9", "new_password": "battery-staple-8"}
    assert ask("POST", "account/password/change", change, token=token).status == 400

    assert status_of(token) == 200
    assert User.objects.get().auth_version == 0


# -- bodies that would make allauth raise ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[" * 30_000,
        b'{"a":' * 3_000,
        b'{"username": "dora", "password": ' + b"9" * 5_000 + b"}",
        b'{"username": "\\ud800", "password": "x"}',
        b'{"username": "dora", "password": "\\ud800"}',
        b'{"refresh_token": "\\ud800"}',
        b'{"sessions": [1e400]}',
        b'{"sessions": [1000000000000000000000]}',
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "auth/login"), ("POST", "auth/signup"), ("POST", "tokens/refresh"), ("DELETE", "auth/sessions")],
)
def test_it_refuses_hostile_bodies(method: str, path: str, body: bytes, alice: Person) -> None:
    answer = ask(method, path, body, alice.token)

    assert (answer.status, answer.body["status"]) == (400, 400)
    assert answer.body["errors"][0]["code"] == "invalid"


@pytest.mark.parametrize("path", ["account/phone", "auth/phone/verify", "auth/phone/verify/resend"])
def test_it_serves_no_phone_endpoints(path: str, alice: Person) -> None:
    assert refusal(ask("GET", path, token=alice.token)) == (404, "not_found", None)
    assert refusal(ask("POST", path, {"phone": "+1555"}, alice.token)) == (404, "not_found", None)


# -- at once --------------------------------------------------------------------------------------------------------


def at_once(server: Server, path: str, body: dict[str, str], times: int) -> list[httpx.Response]:
    def post(_: int) -> httpx.Response:
        return httpx.post(f"{server.url}/_allauth/app/v1/{path}", json=body, timeout=30)

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(post, range(times)))


def test_it_gives_a_username_to_one_of_several_requests_at_once(server: Server) -> None:
    answers = at_once(server, "auth/signup", {"username": "dora", "password": PASSWORD}, 4)

    refused = [answer.json()["errors"][0]["code"] for answer in answers if answer.status_code == 400]
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]
    assert refused == ["username_taken"] * 3
