"""Quotas over REST and the socket, of two servers with low limits that share the database."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest

from accounts.models import Usage
from rooms import services
from tests.conftest import StartServer, watched
from tests.people import Person
from tests.servers import Server
from tests.services.rooms import make_public_room, make_room
from tests.sockets import Client

LIMITS = {
    "ROOMLOG_RATE_LIMITS": "on",
    "ROOMLOG_MAX_MEMBERSHIPS": "3",
    "ROOMLOG_MAX_ROOM_MEMBERS": "3",
    "ROOMLOG_MAX_ROOMS_OWNED": "0",
    "ROOMLOG_ROOMS_PER_DAY": "2",
    "ROOMLOG_ADDITIONS_PER_DAY": "2",
    "DEFAULT_ADDED_BY": "shares_a_room",
}


@pytest.fixture(scope="module")
def _servers(start_shared_server: StartServer) -> list[Server]:
    return [start_shared_server(**LIMITS), start_shared_server(**LIMITS)]


@pytest.fixture
def servers(_servers: list[Server], transactional_db: None) -> Iterator[list[Server]]:
    with watched(*_servers):
        yield _servers


def post(server: Server, person: Person, path: str, body: Any = None) -> httpx.Response:
    with server.rest(person.headers) as rest:
        return rest.post(f"/api/v1/{path}", json=body)


def refusal(answer: httpx.Response) -> tuple[int, str, str | None]:
    return answer.status_code, answer.json()["code"], answer.json()["errors"][0]["field"]


def test_it_works(servers: list[Server], alice: Person) -> None:
    """The servers count together, and a restart keeps the count."""
    first, second = servers
    room = {"name": "Tea", "kind": "private"}
    assert post(first, alice, "rooms/", room).status_code == 201
    assert post(second, alice, "rooms/", room).status_code == 201

    for server in servers:
        refused = post(server, alice, "rooms/", room)
        assert refusal(refused) == (429, "rate_limited", None)
        wait_s = refused.json()["retry_after"]
        assert wait_s == pytest.approx(12 * 3600, abs=60)
        assert wait_s <= int(refused.headers["Retry-After"]) < wait_s + 1
    first.kill()
    first.start()
    assert refusal(post(first, alice, "rooms/", room)) == (429, "rate_limited", None)

    for usage in Usage.objects.filter(user_id=alice.id, at__gt=0):
        usage.at -= int(refused.headers["Retry-After"]) * 1_000_000
        usage.save()
    assert post(first, alice, "rooms/", room).status_code == 201


def test_it_announces_its_limits(servers: list[Server], alice: Person) -> None:
    with Client(servers[0], alice) as client:
        limits = client.hello["data"]["limits"]
    assert {name: limits[name] for name in ("max_memberships", "max_room_members", "max_rooms_owned")} == {
        "max_memberships": 3, "max_room_members": 3, "max_rooms_owned": 0,
    }  # fmt: skip
    assert (limits["rooms_per_day"], limits["additions_per_day"]) == (2, 2)


def test_a_join_over_the_socket_is_counted(servers: list[Server], alice: Person, bob: Person) -> None:
    rooms = [make_public_room(alice) for _ in range(4)]
    with Client(servers[0], bob) as one, Client(servers[1], bob) as other:
        assert one.act("join", room=str(rooms[0]))["response_status"] == 200
        assert other.act("join", room=str(rooms[1]))["response_status"] == 200
        assert post(servers[0], bob, f"rooms/{rooms[2]}/join/").status_code == 200

        for client in (one, other):
            (error,) = client.act("join", room=str(rooms[3]))["errors"]
            assert (error["code"], error["field"], error["retry_after"]) == ("limit_reached", None, None)
        assert refusal(post(servers[0], bob, f"rooms/{rooms[3]}/join/")) == (409, "limit_reached", None)
        assert one.act("join", room=str(rooms[1]))["response_status"] == 200  # a member

        one.act("leave", room=str(rooms[0]), forget=True)
        assert other.act("join", room=str(rooms[3]))["response_status"] == 200


def test_a_refused_join_leaves_the_socket_as_it_was(
    servers: list[Server], alice: Person, bob: Person, public_room: UUID
) -> None:
    services.join_room(user_id=bob.id, room_id=public_room)
    full = make_public_room(alice)
    for _ in range(2):
        make_room(bob)
    with Client(servers[0], bob) as client:
        client.act("join", room=str(public_room))
        assert client.act("join", room=str(full))["errors"][0]["code"] == "limit_reached"
        with Client(servers[0], alice) as owner:
            for room in (full, public_room):
                owner.act("send", room=str(room), text="hi")
        event = client.event()
        assert (event["event"], event["room"]) == ("message.created", str(public_room))
        assert client.is_quiet()


def test_additions_are_counted_and_ask_for_consent(
    servers: list[Server], alice: Person, bob: Person, charlie: Person, room: UUID
) -> None:
    plaza = make_public_room(charlie)
    path = f"rooms/{room}/members/"
    assert refusal(post(servers[0], alice, path, {"user": str(charlie.id)})) == (403, "forbidden", "user")

    services.join_room(user_id=alice.id, room_id=plaza)

    assert post(servers[0], alice, path, {"user": str(charlie.id)}).status_code == 201
    named = {"name": "Tea", "kind": "private", "members": [str(bob.id)]}
    assert post(servers[1], alice, "rooms/", named).status_code == 201
    named |= {"members": [str(bob.id), str(charlie.id)]}
    Usage.objects.filter(quota="memberships").delete()
    refused = post(servers[0], alice, "rooms/", named)
    assert refusal(refused) == (429, "rate_limited", "members[1]")
    assert refused.json()["retry_after"] == pytest.approx(24 * 3600, abs=60)
