"""Delivery, resume, removal, revocation and what concerns a user across processes, with a layer and without one."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from uuid import UUID

import pytest
from django.conf import settings

from accounts.models import User
from tests.engine import only_on
from tests.people import Person, make_person, sign_in
from tests.servers import Server
from tests.sockets import Client, close_code

MAX_DELAY_S = 1.5  # one and a half intervals of the sweep


def say(client: Client, room: UUID, count: int, text: str = "hi") -> None:
    for request in [client.start("send", room=str(room), text=text) for _ in range(count)]:
        assert client.reply(request)["response_status"] == 201


def test_it_delivers_to_followers_on_the_other_process(
    pair: list[Server], room: UUID, alice: Person, bob: Person
) -> None:
    with Client(pair[0], alice) as sender, Client(pair[1], bob) as follower:
        follower.act("join", room=str(room))
        sender.act("join", room=str(room))
        for seq in (3, 4):
            sender.act("send", room=str(room), text="hi")
            began = time.monotonic()
            assert follower.event()["seq"] == seq
            assert time.monotonic() - began < MAX_DELAY_S
        say(sender, room, 500)
        assert [event["seq"] for event in follower.events_until(504)] == list(range(5, 505))
        assert [event["seq"] for event in sender.events_until(504)] == list(range(3, 505))


def test_it_keeps_one_order_of_sends_to_both_processes(
    pair: list[Server], room: UUID, alice: Person, bob: Person
) -> None:
    with Client(pair[0], alice) as first, Client(pair[1], bob) as second, ThreadPoolExecutor(2) as pool:
        first.act("join", room=str(room))
        second.act("join", room=str(room))
        for future in [pool.submit(say, first, room, 200, "one"), pool.submit(say, second, room, 200, "two")]:
            future.result()
        received = [client.events_until(402) for client in (first, second)]
        assert received[0] == received[1]
        assert [event["seq"] for event in received[0]] == list(range(3, 403))


def test_it_resumes_on_the_other_process(pair: list[Server], room: UUID, alice: Person, bob: Person) -> None:
    """A client disconnects again and again, resumes on the other process, and receives exactly what it missed."""
    with Client(pair[0], alice) as sender, ThreadPoolExecutor(1) as pool:
        last, received = 2, []
        sending = pool.submit(say, sender, room, 600)
        for turn in range(12):
            follower = Client(pair[turn % 2], bob)
            assert follower.act("join", room=str(room), after=last)["data"]["resync"] is False
            received += [follower.event()["seq"] for _ in range(40)]
            last = received[-1]
            follower.drop()
        sending.result()
        with Client(pair[1], bob) as follower:
            follower.act("join", room=str(room), after=last)
            received += [event["seq"] for event in follower.events_until(602)]
    assert received == list(range(3, 603))


def test_it_cuts_off_a_removed_follower_on_the_other_process(
    pair: list[Server], room: UUID, alice: Person, bob: Person
) -> None:
    with (
        Client(pair[0], alice) as owner,
        Client(pair[1], alice) as witness,
        Client(pair[1], bob) as member,
        pair[0].rest(alice.headers) as rest,
    ):
        for client in (witness, member):
            client.act("join", room=str(room))
        say(owner, room, 10)
        assert rest.delete(f"/api/v1/rooms/{room}/members/{bob.id}/").status_code == 204
        assert member.act("send", room=str(room), text="too late")["errors"][0]["code"] == "not_found"
        say(owner, room, 10)
        events = member.events_until(13)
        assert [event["seq"] for event in events] == list(range(3, 14))
        assert events[-1]["event"] == "member.removed"
        witness.events_until(23)  # then the server of both sockets has received everything
        assert member.is_quiet()


def test_it_tells_every_device_what_concerns_its_user(pair: list[Server], alice: Person, bob: Person) -> None:
    """The changes are made on both processes in turn, so that each has to learn of those in between."""
    with ExitStack() as stack:
        devices = [stack.enter_context(Client(server, bob)) for server in pair]
        owners = [stack.enter_context(server.rest(alice.headers)) for server in pair]
        readers = [stack.enter_context(server.rest(bob.headers)) for server in pair]
        for turn in range(6):
            owner, reader = owners[turn % 2], readers[turn // 2 % 2]
            new = {"name": "Tea", "kind": "private", "members": [str(bob.id)]}
            room = owner.post("/api/v1/rooms/", json=new).raise_for_status().json()["id"]
            assert owner.post(f"/api/v1/rooms/{room}/messages/", json={"text": "hi"}).status_code == 201
            added = time.monotonic()
            reader.put(f"/api/v1/rooms/{room}/read/", json={"id": 1}).raise_for_status()
            for device in devices:
                events = [device.event(timeout_s=MAX_DELAY_S) for _ in range(2)]
                assert [(event["event"], event["room"]) for event in events] == [("room.added", room), ("read", room)]
                assert events[1]["data"] == {"read_id": 1, "unread": 0}
            assert time.monotonic() - added < MAX_DELAY_S
        assert all(device.is_quiet() for device in devices)


def test_it_tells_every_device_what_concerns_its_user_while_redis_is_down(
    pair_with_dead_redis: list[Server], alice: Person, bob: Person
) -> None:
    test_it_tells_every_device_what_concerns_its_user(pair_with_dead_redis, alice, bob)


def test_it_tells_a_hundred_new_members_at_once_while_redis_is_down(
    pair_with_dead_redis: list[Server], alice: Person
) -> None:
    members = [make_person(f"u{number}") for number in range(100)]
    with ExitStack() as stack:
        devices = [stack.enter_context(Client(pair_with_dead_redis[1], member)) for member in members]
        owner = stack.enter_context(pair_with_dead_redis[0].rest(alice.headers))
        new = {"name": "Tea", "kind": "private", "members": [str(member.id) for member in members]}
        owner.post("/api/v1/rooms/", json=new).raise_for_status()
        began = time.monotonic()
        for device in devices:
            assert device.event(timeout_s=MAX_DELAY_S)["event"] == "room.added"
        assert time.monotonic() - began < MAX_DELAY_S


def log_out(server: Server, bob: Person) -> int:
    with server.rest(bob.headers) as rest:
        assert rest.delete("/_allauth/app/v1/auth/session").status_code == 401
    return 4503


def change_password(server: Server, bob: Person) -> int:
    body = {"current_password": "wonderland-7", "new_password": "wonderland-8"}
    with server.rest(bob.headers) as rest:
        assert rest.post("/_allauth/app/v1/account/password/change", json=body).status_code in {200, 401}
    return 4503


def deactivate(server: Server, bob: Person) -> int:
    command = [sys.executable, "manage.py", "deactivate_user", bob.username]
    subprocess.run(command, cwd=settings.BASE_DIR, env=server.environment, check=True, capture_output=True)
    return 4504


@pytest.fixture
def bob_with_password(bob: Person) -> Person:
    user = User.objects.get(id=bob.id)
    user.set_password("wonderland-7")
    user.save()
    return sign_in(user)


REVOCATIONS = pytest.mark.parametrize("revoke", [log_out, change_password, deactivate])


def time_to_close(
    pair: list[Server], bob: Person, revoke: Callable[[Server, Person], int], *, settle_s: float = 0.0
) -> float:
    """Returns the seconds from the end of `revoke` until the user's sockets on both processes are closed."""
    sockets = [Client(server, bob) for server in pair]
    time.sleep(settle_s)
    code = revoke(pair[0], bob)
    began = time.monotonic()
    for client in sockets:
        assert close_code(client) == code
    return time.monotonic() - began


@only_on("postgresql")
@REVOCATIONS
def test_it_closes_sockets_at_once_through_the_layer(
    redis_pair: list[Server], bob_with_password: Person, revoke: Callable[[Server, Person], int]
) -> None:
    elapsed_s = time_to_close(redis_pair, bob_with_password, revoke, settle_s=0.3)  # for the layer's subscriptions
    print(f"\n{revoke.__name__}: closed on both processes {elapsed_s * 1000:.0f} ms after the answer")
    assert elapsed_s < 0.3


@only_on("postgresql")
@REVOCATIONS
def test_it_closes_sockets_while_redis_is_down(
    pair_with_dead_redis: list[Server], bob_with_password: Person, revoke: Callable[[Server, Person], int]
) -> None:
    elapsed_s = time_to_close(pair_with_dead_redis, bob_with_password, revoke)
    print(f"\n{revoke.__name__}, Redis down: closed on both processes {elapsed_s * 1000:.0f} ms after the answer")
    assert elapsed_s < MAX_DELAY_S


@only_on("postgresql")
def test_it_cuts_off_a_removed_follower_while_redis_is_down(
    pair_with_dead_redis: list[Server], room: UUID, alice: Person, bob: Person
) -> None:
    test_it_cuts_off_a_removed_follower_on_the_other_process(pair_with_dead_redis, room, alice, bob)


@only_on("postgresql")
def test_it_delivers_at_once_through_the_layer(
    redis_pair: list[Server], room: UUID, alice: Person, bob: Person
) -> None:
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
