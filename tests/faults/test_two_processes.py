"""G3, G5, G6, G7 across processes, with a layer between them and with the sweep alone."""

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from django.core.management import call_command
from websockets.exceptions import ConnectionClosed

from accounts.adapter import AccountAdapter
from accounts.models import User
from tests.people import Person
from tests.servers import Server
from tests.sockets import Client

LATEST_S = 1.5  # the sweep's interval and a half


def say(client: Client, room: UUID, count: int, text: str = "hi") -> None:
    for request in [client.start("send", room=str(room), text=text) for _ in range(count)]:
        assert client.reply(request)["response_status"] == 201


def test_it_delivers_to_followers_of_the_other(pair: list[Server], room: UUID, alice: Person, bob: Person) -> None:
    with Client(pair[0], alice) as sender, Client(pair[1], bob) as follower:
        follower.act("join", room=str(room))
        sender.act("join", room=str(room))
        for number in range(5):
            sender.act("send", room=str(room), text=str(number))
            began = time.monotonic()
            assert follower.event()["seq"] == 3 + number
            assert time.monotonic() - began < LATEST_S
        say(sender, room, 500)
        assert [event["seq"] for event in follower.events_until(507)] == list(range(8, 508))
        assert [event["seq"] for event in sender.events_until(507)] == list(range(3, 508))


def test_it_keeps_one_order_from_both_sides(pair: list[Server], room: UUID, alice: Person, bob: Person) -> None:
    with Client(pair[0], alice) as one, Client(pair[1], bob) as two, ThreadPoolExecutor(2) as pool:
        one.act("join", room=str(room))
        two.act("join", room=str(room))
        for done in [pool.submit(say, one, room, 200, "one"), pool.submit(say, two, room, 200, "two")]:
            done.result()
        heard = [client.events_until(402) for client in (one, two)]
        assert heard[0] == heard[1]
        assert [event["seq"] for event in heard[0]] == list(range(3, 403))


def test_it_resumes_on_the_other(pair: list[Server], room: UUID, alice: Person, bob: Person) -> None:
    """A client drops off again and again, comes back on the other process, and gets exactly what it missed."""
    with Client(pair[0], alice) as sender, ThreadPoolExecutor(1) as pool:
        last, heard = 2, []
        going_on = pool.submit(say, sender, room, 600)
        for turn in range(12):
            follower = Client(pair[turn % 2], bob)
            assert follower.act("join", room=str(room), after=last)["data"]["resync"] is False
            heard += [follower.event()["seq"] for _ in range(40)]
            last = heard[-1]
            follower.drop()
        going_on.result()
        with Client(pair[1], bob) as follower:
            follower.act("join", room=str(room), after=last)
            heard += [event["seq"] for event in follower.events_until(602)]
    assert heard == list(range(3, 603))


def test_it_ends_a_removed_follower_of_the_other(pair: list[Server], room: UUID, alice: Person, bob: Person) -> None:
    with Client(pair[0], alice) as owner, Client(pair[1], bob) as member, pair[0].rest(alice.headers) as rest:
        member.act("join", room=str(room))
        say(owner, room, 10)
        assert rest.delete(f"/api/v1/rooms/{room}/members/{bob.id}/").status_code == 204
        assert member.act("send", room=str(room), text="too late")["errors"][0]["code"] == "not_found"
        say(owner, room, 10)
        events = member.events_until(13)
        assert [event["seq"] for event in events] == list(range(3, 14))
        assert events[-1]["event"] == "member.removed"
        assert member.is_quiet(LATEST_S)


def test_it_closes_a_revoked_session_on_the_other(pair: list[Server], bob: Person) -> None:
    sockets = [Client(server, bob) for server in pair]
    with pair[0].rest(bob.headers) as rest:
        assert rest.delete("/_allauth/app/v1/auth/session").status_code == 401
    began = time.monotonic()
    for client in sockets:
        assert close_code(client) == 4503
    took_s = time.monotonic() - began
    assert took_s < LATEST_S
    print(f"\nboth sockets closed {took_s * 1000:.0f} ms after the logout was answered")


@pytest.mark.parametrize("deed", ["password", "deactivation"])
def test_it_closes_a_changed_user_on_both(pair: list[Server], bob: Person, deed: str) -> None:
    sockets = [Client(server, bob) for server in pair]
    if deed == "password":
        AccountAdapter().set_password(User.objects.get(id=bob.id), "wonderland-8")
    else:
        call_command("deactivate_user", bob.username, verbosity=0)
    began = time.monotonic()
    for client in sockets:
        assert close_code(client) == (4503 if deed == "password" else 4504)
    assert time.monotonic() - began < LATEST_S


def test_it_hears_at_once_through_the_layer(redis_pair: list[Server], room: UUID, alice: Person, bob: Person) -> None:
    with Client(redis_pair[0], alice) as sender, Client(redis_pair[1], bob) as follower:
        follower.act("join", room=str(room))
        time.sleep(0.5)  # for the subscription, which the join does not wait for
        delays = []
        for number in range(20):
            sender.act("send", room=str(room), text=str(number))
            began = time.monotonic()
            follower.event()
            delays.append(time.monotonic() - began)
        assert statistics.median(delays) < 0.1


def close_code(client: Client) -> int:
    with pytest.raises(ConnectionClosed) as closed:
        while True:
            client.receive(5)
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code
