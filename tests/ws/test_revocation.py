"""A logout, a password change or a deactivation closes the affected sockets."""

from collections.abc import Callable
from uuid import UUID

import pytest
from django.core.management import call_command
from websockets.exceptions import ConnectionClosed

from tests.people import Person, sign_in
from tests.servers import Server
from tests.sockets import Client

AUTH = "/_allauth/app/v1"


def receive_close(client: Client, timeout_s: float = 5.0) -> tuple[int, str]:
    """Returns the code and reason with which the server closes the socket."""
    with pytest.raises(ConnectionClosed) as closed:
        while True:
            client.events.append(client.receive(timeout_s))
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code, closed.value.rcvd.reason


def log_out(server: Server, person: Person) -> None:
    with server.rest(person.headers) as rest:
        assert rest.delete(f"{AUTH}/auth/session").status_code == 401


def test_it_closes_sockets_at_logout(server: Server, room: UUID, bob: Person) -> None:
    phone = Client(server, bob)
    log_out(server, bob)
    assert receive_close(phone, 0.9) == (4503, "session_revoked")  # sooner than the sweep
    assert phone.events[-1]["event"] == "session.revoked"
    assert phone.events[-1]["data"] == {"session": phone.hello["data"]["session"]}


def test_it_keeps_sockets_of_other_sessions_open(server: Server, room: UUID, bob: Person) -> None:
    from accounts.models import User

    desk = Client(server, sign_in(User.objects.get(id=bob.id)))
    log_out(server, bob)
    assert desk.act("join", room=str(room))["response_status"] == 200
    desk.connection.close()


def test_it_refuses_sends_after_a_logout_was_answered(server: Server, room: UUID, bob: Person) -> None:
    for _ in range(10):
        from accounts.models import User

        person = sign_in(User.objects.get(id=bob.id))
        phone = Client(server, person)
        log_out(server, person)
        try:
            reply = phone.act("send", room=str(room), text="too late")
        except ConnectionClosed:
            continue
        assert reply["errors"][0]["code"] == "unauthenticated"


def test_it_reads_nothing_after_a_logout_was_answered(server: Server, room: UUID, bob: Person) -> None:
    from accounts.models import User

    actions = [("history", {}), ("join", {"after": 0}), ("read", {"id": 1}), ("leave", {})]
    for action, fields in actions * 3:
        person = sign_in(User.objects.get(id=bob.id))
        phone = Client(server, person)
        log_out(server, person)
        with pytest.raises(ConnectionClosed):
            phone.act(action, room=str(room), **fields)


def change_password(server: Server, person: Person) -> None:
    from accounts.adapter import AccountAdapter
    from accounts.models import User

    AccountAdapter().set_password(User.objects.get(id=person.id), "wonderland-8")


def deactivate(server: Server, person: Person) -> None:
    call_command("deactivate_user", person.username, stdout=None, verbosity=0)


@pytest.mark.parametrize(
    ("revoke", "close"),
    [(change_password, (4503, "session_revoked")), (deactivate, (4504, "user_inactive"))],
    ids=["password change", "deactivation"],
)
def test_it_detects_revocations_by_other_processes(
    server: Server, bob: Person, revoke: Callable[[Server, Person], None], close: tuple[int, str]
) -> None:
    """The change is made outside the server's process, so only the sweep can detect it."""
    phone = Client(server, bob)
    revoke(server, bob)
    assert receive_close(phone, 1.5) == close
