"""The action `history`."""

from uuid import UUID

import pytest

from tests.people import Person
from tests.servers import Server
from tests.sockets import Client


@pytest.fixture
def client(server: Server, room: UUID, alice: Person) -> Client:
    client = Client(server, alice)
    requests = [client.start("send", room=str(room), text=str(number)) for number in range(1, 11)]
    for request in requests:
        client.reply(request)
    return client


def request_page(client: Client, room: UUID, **payload: object) -> tuple[list[int], bool, bool]:
    """Returns the ids of the messages, `has_before` and `has_after`."""
    with client:
        data = client.act("history", room=str(room), **payload)["data"]
    return [message["id"] for message in data["messages"]], data["has_before"], data["has_after"]


def test_it_works(client: Client, room: UUID) -> None:
    assert request_page(client, room) == (list(range(1, 11)), False, False)


def test_it_pages_backwards(client: Client, room: UUID) -> None:
    assert request_page(client, room, before=8, limit=3) == ([5, 6, 7], True, True)


def test_it_pages_forwards(client: Client, room: UUID) -> None:
    assert request_page(client, room, after=8, limit=3) == ([9, 10], True, False)


def test_it_returns_the_messages_around_an_id(client: Client, room: UUID) -> None:
    assert request_page(client, room, around=5, limit=4) == ([4, 5, 6, 7], True, True)


def test_it_refuses_a_limit_above_the_maximum(client: Client, room: UUID) -> None:
    with client:
        error = client.act("history", room=str(room), limit=101)["errors"][0]
    assert (error["code"], error["field"]) == ("invalid", "limit")


def test_it_refuses_two_directions(client: Client, room: UUID) -> None:
    with client:
        assert client.act("history", room=str(room), before=3, after=1)["errors"][0]["code"] == "invalid"


def test_it_refuses_a_non_member_of_a_public_room(server: Server, public_room: UUID, charlie: Person) -> None:
    with Client(server, charlie) as client:
        assert client.act("history", room=str(public_room))["errors"][0]["code"] == "not_a_member"
