"""Changes to the addresses and the password of an account, at /_allauth/app/v1/: none by an access token alone."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import unquote

import httpx
import pytest
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from django.core.mail import EmailMessage
from pytest_django import Settings

from accounts.models import Session, User
from accounts.sessions import SessionStore
from tests.api.accounts import PASSWORD, ask, code_of, log_in, sign_up, status_of
from tests.api.rest import Answer
from tests.people import Person
from tests.ports import free_port
from tests.servers import Server

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fast_hashing")]

ADDRESS, OTHER = "dora@example.org", "other@example.org"
RECORDS = "account_authentication_methods"


def token_of(answer: Answer) -> str:
    assert answer.status == 200, answer
    return str(answer.body["meta"]["access_token"])


def give_password(token: str, password: str = PASSWORD) -> Answer:
    return ask("POST", "auth/reauthenticate", {"password": password}, token)


def key_in(message: EmailMessage) -> str:
    """Returns the key of the link in a mail."""
    found = re.search(r"http://localhost:8000/(?:verify-email|password/reset)/(\S+)", str(message.body))
    assert found, message.body
    return unquote(found[1])


def mails_to(address: str, outbox: list[EmailMessage]) -> list[str]:
    return [message.subject.removeprefix("[testserver] ") for message in outbox if message.to == [address]]


def verify(outbox: list[EmailMessage], address: str) -> Answer:
    """Opens the link of the last mail to `address`, signed out."""
    key = key_in([message for message in outbox if message.to == [address]][-1])
    return ask("POST", "auth/email/verify", {"key": key})


def add(token: str, address: str, outbox: list[EmailMessage]) -> None:
    """Adds an address to the account, and verifies it."""
    assert give_password(token).status == 200
    assert ask("POST", "account/email", {"email": address}, token).status == 200
    verify(outbox, address)


def reset(outbox: list[EmailMessage], address: str, password: str) -> Answer:
    """Requests a link for `address`, and opens it."""
    del outbox[:]
    ask("POST", "auth/password/request", {"email": address})
    return ask("POST", "auth/password/reset", {"key": key_in(outbox[0]), "password": password})


def addresses_of(token: str) -> dict[str, tuple[bool, bool]]:
    """Returns whether each address is verified, and whether it is the primary one."""
    found = ask("GET", "account/email", token=token).body["data"]
    return {each["email"]: (each["verified"], each["primary"]) for each in found}


def test_it_works(mailoutbox: list[EmailMessage]) -> None:
    token = token_of(sign_up())
    assert give_password(token).status == 200
    assert ask("POST", "account/email", {"email": ADDRESS}, token).status == 200
    assert addresses_of(token) == {ADDRESS: (False, False)}

    assert verify(mailoutbox, ADDRESS).status == 401  # verified, but the one who opened the link is not signed in
    assert addresses_of(token) == {ADDRESS: (True, True)}
    assert User.objects.get().email == ADDRESS

    assert reset(mailoutbox, ADDRESS, "battery-staple-8").status == 401
    assert status_of(token) == 401
    assert status_of(token_of(log_in(password="battery-staple-8"))) == 200


def test_it_verifies_the_address_of_a_sign_up(mailoutbox: list[EmailMessage]) -> None:
    token = token_of(sign_up(email=ADDRESS))
    assert addresses_of(token) == {ADDRESS: (False, False)}

    verify(mailoutbox, ADDRESS)

    assert addresses_of(token) == {ADDRESS: (True, True)}
    assert reset(mailoutbox, ADDRESS, "battery-staple-8").status == 401


# -- an access token alone ------------------------------------------------------------------------------------------


def age(seconds: float) -> None:
    """Makes every record of an authentication in every session older."""
    for row in Session.objects.all():
        session = SessionStore(row.session_key)
        session[RECORDS] = [record | {"at": record["at"] - seconds} for record in session[RECORDS]]
        session.save()


CHANGES = pytest.mark.parametrize(
    ("method", "address", "more"),
    [("POST", "new@example.org", {}), ("PATCH", OTHER, {"primary": True}), ("DELETE", OTHER, {})],
)


@pytest.fixture
def token(mailoutbox: list[EmailMessage]) -> str:
    """An access token of Dora, who has two verified addresses. The session has not given the password again."""
    first = token_of(sign_up())
    add(first, ADDRESS, mailoutbox)
    add(first, OTHER, mailoutbox)
    del mailoutbox[:]
    return token_of(log_in())


@CHANGES
@pytest.mark.parametrize("signed_in_before_s", [0, 3600 * 24])
def test_an_access_token_alone_changes_no_address(
    token: str,
    mailoutbox: list[EmailMessage],
    method: str,
    address: str,
    more: dict[str, object],
    signed_in_before_s: int,
) -> None:
    age(signed_in_before_s + 1000)  # beyond the reauthentication of the other session
    if not signed_in_before_s:
        token = token_of(log_in())
    before = addresses_of(token)

    answer = ask(method, "account/email", {"email": address, **more}, token)

    assert answer.status == 401
    assert answer.body["data"]["flows"] == [{"id": "reauthenticate"}]
    assert addresses_of(token) == before
    assert not mailoutbox


@CHANGES
def test_a_session_changes_addresses_for_a_minute_after_the_password(
    token: str, method: str, address: str, more: dict[str, object]
) -> None:
    body = {"email": address, **more}
    assert give_password(token, "wrong-horse-9").status == 400
    assert ask(method, "account/email", body, token).status == 401

    assert give_password(token).status == 200
    age(61)
    assert ask(method, "account/email", body, token).status == 401
    assert give_password(token).status == 200
    assert ask(method, "account/email", body, token_of(log_in())).status == 401  # another session
    assert ask(method, "account/email", body, token).status == 200


def test_a_stolen_access_token_does_not_become_the_account(mailoutbox: list[EmailMessage]) -> None:
    """Each step that once led from the token to the account, without the one before it too."""
    stolen, user = token_of(sign_up()), User.objects.get()
    thief = "thief@example.org"

    assert ask("POST", "account/email", {"email": thief}, stolen).status == 401
    EmailAddress.objects.create(user=user, email=thief)
    assert ask("PATCH", "account/email", {"email": thief, "primary": True}, stolen).status == 400
    User.objects.update(email=thief)
    EmailAddress.objects.update(primary=True)
    assert ask("POST", "auth/password/request", {"email": thief}).status == 200

    assert not mailoutbox
    assert log_in().status == 200


def test_an_access_token_alone_gets_no_longer_credential() -> None:
    """The session token lives as long as the session, an access token for an hour."""
    token = token_of(sign_up())
    give_password(token)

    for method, path in [("GET", "auth/session"), ("GET", "auth/sessions"), ("POST", "auth/reauthenticate")]:
        answer = ask(method, path, {"password": PASSWORD} if method == "POST" else None, token)
        assert answer.status == 200
        assert not {"session_token", "access_token", "refresh_token"} & answer.body.get("meta", {}).keys()
    for path in ("auth/login", "auth/signup"):
        assert ask("POST", path, {"username": "dora2", "password": PASSWORD}, token).status in {400, 409}


@pytest.mark.parametrize("path", ["auth/code/confirm", "auth/email/verify/resend"])
def test_flows_that_were_not_begun_are_refused(path: str, token: str) -> None:
    assert ask("POST", path, {"code": "123456"}, token).status == 409


@pytest.mark.parametrize(
    "path", ["auth/code/request", "auth/2fa/authenticate", "account/authenticators", "auth/provider/token"]
)
def test_endpoints_that_are_not_mounted_are_not_found(path: str, token: str) -> None:
    assert ask("POST", path, {}, token).status == 404


def test_a_user_without_a_password_changes_nothing(alice: Person, mailoutbox: list[EmailMessage]) -> None:
    EmailAddress.objects.create(user_id=alice.id, email=ADDRESS, verified=True)

    assert ask("POST", "account/email", {"email": OTHER}, alice.token).status == 401
    for current in ({}, {"current_password": ""}, {"current_password": "anything"}):
        answer = ask("POST", "account/password/change", {"new_password": PASSWORD, **current}, alice.token)
        assert answer.status == 400
    assert not User.objects.get().has_usable_password()
    assert not mailoutbox


# -- guesses --------------------------------------------------------------------------------------------------------


@pytest.fixture
def _limited(settings: Settings) -> None:
    """Turns allauth's rate limits on."""
    settings.ACCOUNT_RATE_LIMITS = {}


@pytest.mark.usefixtures("_limited")
@pytest.mark.parametrize(
    ("path", "body", "most"),
    [
        ("auth/reauthenticate", {"password": "wrong-horse-9"}, 10),
        ("account/password/change", {"current_password": "wrong-horse-9", "new_password": "battery-staple-8"}, 5),
    ],
)
def test_guesses_of_the_password_are_limited(path: str, body: dict[str, str], most: int) -> None:
    """Five are judged in five minutes, over all of these endpoints and logins, and the right one is refused as well."""
    token = token_of(sign_up())

    answers = [ask("POST", path, body, token) for _ in range(most + 1)]

    judged = [code_of(answer) for answer in answers[:5]]
    assert set(judged) <= {"incorrect_password", "enter_current_password"}
    assert {code_of(answer) for answer in answers[5:-1]} <= {"too_many_login_attempts"}
    assert answers[-1].status == 429
    assert code_of(log_in()) == "too_many_login_attempts"


def test_reauthentications_are_not_collected() -> None:
    """The session is read at each request, so it must not grow."""
    token = token_of(sign_up())

    for _ in range(4):
        assert len(give_password(token).body["data"]["methods"]) == 1
    assert len(give_password(token_of(log_in())).body["data"]["methods"]) == 2


# -- resets ---------------------------------------------------------------------------------------------------------


def test_a_reset_is_mailed_to_verified_addresses_only(token: str, mailoutbox: list[EmailMessage]) -> None:
    sign_up("erin", email="erin@example.org")
    give_password(token)
    ask("POST", "account/email", {"email": "unverified@example.org"}, token)
    del mailoutbox[:]

    asked = [ADDRESS, OTHER.upper(), "unverified@example.org", "erin@example.org", "nobody@example.org"]
    answers = [ask("POST", "auth/password/request", {"email": email}) for email in asked]

    assert {(answer.status, str(answer.body)) for answer in answers} == {(200, str({"status": 200}))}
    assert [message.to for message in mailoutbox] == [[ADDRESS], [OTHER]]


def test_a_reset_of_one_account_does_not_reach_another(mailoutbox: list[EmailMessage]) -> None:
    """Erin has verified an address that Dora has only named."""
    sign_up("dora", email=ADDRESS)
    sign_up("erin", email=ADDRESS)
    ask("POST", "auth/email/verify", {"key": key_in(mailoutbox[-1])})

    assert reset(mailoutbox, ADDRESS, "battery-staple-8").status == 401

    assert [log_in(name, "battery-staple-8").status for name in ("dora", "erin")] == [400, 200]


def test_a_sign_up_does_not_reveal_or_take_an_address(token: str, mailoutbox: list[EmailMessage]) -> None:
    assert sign_up("erin", email=ADDRESS).status == sign_up("frank", email="frank@example.org").status == 200

    assert verify(mailoutbox, ADDRESS).body["errors"][0]["code"] == "email_taken"
    assert addresses_of(token)[ADDRESS] == (True, True)


def test_one_of_several_accounts_verifies_an_address(server: Server) -> None:
    users = [User.objects.create_user(f"dora{n}") for n in range(4)]
    keys = [EmailConfirmationHMAC(EmailAddress.objects.create(user=user, email=ADDRESS)).key for user in users]

    def open_link(key: str) -> httpx.Response:
        return httpx.post(f"{server.url}/_allauth/app/v1/auth/email/verify", json={"key": key}, timeout=30)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(open_link, keys))

    assert sorted(answer.status_code for answer in answers) == [400, 400, 400, 401]
    refused = [answer.json()["errors"][0]["code"] for answer in answers if answer.status_code == 400]
    assert refused == ["email_taken"] * 3
    assert EmailAddress.objects.filter(verified=True, primary=True).count() == 1


def test_a_mail_that_cannot_be_sent_does_not_show(token: str, settings: Settings) -> None:
    settings.EMAIL_BACKEND, settings.EMAIL_PORT = "django.core.mail.backends.smtp.EmailBackend", free_port()

    assert [ask("POST", "auth/password/request", {"email": email}).status for email in (ADDRESS, "nobody@x.org")] == [
        200,
        200,
    ]
    change = {"current_password": PASSWORD, "new_password": "battery-staple-8"}
    assert ask("POST", "account/password/change", change, token).status == 200
    assert log_in(password="battery-staple-8").status == 200


# -- which addresses ------------------------------------------------------------------------------------------------


def test_an_unverified_address_does_not_become_the_primary_one() -> None:
    token = token_of(sign_up(email=ADDRESS))
    give_password(token)

    answer = ask("PATCH", "account/email", {"email": ADDRESS, "primary": True}, token)

    assert code_of(answer) == "unverified_primary_email"
    assert addresses_of(token) == {ADDRESS: (False, False)}


def test_an_account_has_five_addresses() -> None:
    token = token_of(sign_up())
    give_password(token)

    answers = [ask("POST", "account/email", {"email": f"dora{n}@example.org"}, token) for n in range(6)]

    assert [answer.status for answer in answers] == [200] * 5 + [400]
    assert code_of(answers[5]) == "max_email_addresses"


# -- mails to the user ----------------------------------------------------------------------------------------------


def change_primary(token: str, outbox: list[EmailMessage]) -> None:
    ask("PATCH", "account/email", {"email": OTHER, "primary": True}, token)


def add_a_third(token: str, outbox: list[EmailMessage]) -> None:
    ask("POST", "account/email", {"email": "third@example.org"}, token)
    verify(outbox, "third@example.org")


def change_password(token: str, outbox: list[EmailMessage]) -> None:
    ask("POST", "account/password/change", {"current_password": PASSWORD, "new_password": "battery-staple-8"}, token)


def remove_other(token: str, outbox: list[EmailMessage]) -> None:
    ask("DELETE", "account/email", {"email": OTHER}, token)


def reset_by_other(token: str, outbox: list[EmailMessage]) -> None:
    reset(outbox, OTHER, "battery-staple-8")


@pytest.mark.parametrize(
    ("change", "subject", "mailed_to"),
    [
        (change_primary, "Email Changed", [ADDRESS]),
        (add_a_third, "Email address added", [ADDRESS]),
        (remove_other, "Email Removed", [ADDRESS, OTHER]),
        (change_password, "Password Changed", [ADDRESS]),
        (reset_by_other, "Password Reset", [ADDRESS]),
    ],
)
def test_a_mail_goes_to_the_previous_address(
    token: str,
    mailoutbox: list[EmailMessage],
    change: Callable[[str, list[EmailMessage]], None],
    subject: str,
    mailed_to: list[str],
) -> None:
    give_password(token)
    change(token, mailoutbox)

    notices = [message for message in mailoutbox if "change was made to your account" in str(message.body)]
    assert [message.to for message in notices] == [[address] for address in mailed_to]
    assert {message.subject for message in notices} == {f"[testserver] {subject}"}


def test_a_mail_is_sent_when_the_only_address_is_removed(mailoutbox: list[EmailMessage]) -> None:
    token = token_of(sign_up())
    add(token, ADDRESS, mailoutbox)

    assert ask("DELETE", "account/email", {"email": ADDRESS}, token).status == 200

    assert mails_to(ADDRESS, mailoutbox)[-1] == "Email Removed"
    assert "dora@example.org has been removed" in str(mailoutbox[-1].body)
