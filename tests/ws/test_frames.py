"""Every well-formed WebSocket message gets a reply, whatever it contains, and the socket stays open."""

import uuid
from typing import Any
from uuid import UUID

import msgspec
import pytest

from tests.people import Person
from tests.servers import Server
from tests.sockets import Client

ROOM = "01890000-0000-7000-8000-000000000000"


def send(**fields: Any) -> str:
    return msgspec.json.encode({"action": "send", "request_id": 7, "room": ROOM, "text": "hi", **fields}).decode()


# test id, frame, error code, field, and whether the reply echoes the action and the request_id
HOSTILE: list[tuple[str, str | bytes, str, str | None, bool]] = [
    ("an open brace", "{", "invalid", None, False),
    ("a list", "[]", "invalid", None, False),
    ("a string", '"x"', "invalid", None, False),
    ("null", "null", "invalid", None, False),
    ("an empty frame", "", "invalid", None, False),
    ("a binary frame", b"\x00\xff\xfe", "invalid", None, False),
    ("an empty binary frame", b"", "invalid", None, False),
    ("no action", "{}", "invalid", "action", False),
    ("an action that is a list", '{"action": []}', "invalid", "action", False),
    ("an action that is null", '{"action": null}', "invalid", "action", False),
    ("an unknown action", '{"action": "dance", "request_id": 7}', "unknown_action", "action", False),
    ("the name of a method", '{"action": "send_message"}', "unknown_action", "action", False),
    ("a missing field", '{"action": "send", "request_id": 7, "text": "hi"}', "invalid", "room", True),
    ("the key self", send(self=1), "invalid", "self", True),
    ("the key scope", send(scope={}), "invalid", "scope", True),
    ("the key consumer", send(consumer="x"), "invalid", "consumer", True),
    ("the key frame", send(frame="x"), "invalid", "frame", True),
    ("an unknown key", send(colour="red"), "invalid", "colour", True),
    ("a field of the wrong type", send(text=5), "invalid", "text", True),
    ("a room that is not a UUID", send(room="tea"), "invalid", "room", True),
    ("NaN", send()[:-1] + ', "data": {"n": NaN}}', "invalid", None, False),
    ("infinity", send()[:-1] + ', "data": {"n": 1e999}}', "invalid", "data", False),
    ("a 5,000-digit integer", send()[:-1] + ', "reply_to": ' + "9" * 5000 + "}", "invalid", "reply_to", False),
    ("a 5,000-digit integer in data", send()[:-1] + ', "data": {"n": ' + "9" * 5000 + "}}", "invalid", "data", False),
    ("an integer beyond 2^53", send(data={"n": 2**53}), "invalid", "data.n", True),
    ("30,000 nested brackets", "[" * 30_000, "invalid", None, False),
    ("30,000 nested brackets in data", send()[:-1] + ', "data": {"n": ' + "[" * 30_000, "invalid", None, False),
    ("data nested too deeply", send()[:-1] + ', "data": {"n": ' + "[" * 40 + "]" * 40 + "}}", "invalid", "data", True),
    ("a lone high surrogate", send(text="#").replace("#", "\\ud800"), "invalid", None, False),
    ("a lone low surrogate", send(text="#").replace("#", "\\udc00"), "invalid", None, False),
    ("NUL in the text", send(text="a\0b"), "invalid", "text", True),
    ("NUL in nested data", send(data={"a": [{"b": "\0"}]}), "invalid", "data.a[0].b", True),
    ("NUL in a key of the data", send(data={"\0": 1}), "invalid", "data", True),
    ("a text that is too long", send(text="x" * 4001), "too_large", "text", True),
    ("data that is too large", send(data={"x": "y" * 5000}), "too_large", "data", True),
    ("a blank text without data", send(text=" \n"), "invalid", "text", True),
    ("a client_id that is too long", send(client_id="c" * 65), "invalid", "client_id", True),
    ("a client_id that is not ASCII", send(client_id="é"), "invalid", "client_id", True),
    ("a client_id with the server's own prefix", send(client_id="\x7fabc"), "invalid", "client_id", True),
    ("a room that does not exist", send(), "not_found", "room", True),
]


@pytest.mark.parametrize(
    ("frame", "code", "field", "is_echoed"), [row[1:] for row in HOSTILE], ids=[row[0] for row in HOSTILE]
)
def test_it_answers_and_keeps_the_socket_open(
    client: Client, frame: str | bytes, code: str, field: str | None, *, is_echoed: bool
) -> None:
    client.connection.send(frame)

    reply = client.reply()
    assert reply["data"] is None
    assert [error["code"] for error in reply["errors"]] == [code]
    assert reply["errors"][0]["field"] == field
    assert reply["errors"][0]["detail"]
    assert reply["response_status"] in {400, 404, 413}
    if is_echoed:
        assert (reply["action"], reply["request_id"]) == ("send", 7)
    assert client.act("ping")["response_status"] == 200


@pytest.fixture
def client(server: Server, alice: Person) -> Any:
    with Client(server, alice) as client:
        yield client


def test_it_does_not_reveal_that_a_private_room_exists(server: Server, room: UUID, charlie: Person) -> None:
    with Client(server, charlie) as client:
        for action, payload in (("send", {"text": "hi"}), ("join", {}), ("history", {}), ("read", {"id": 0})):
            existing = client.act(action, room=str(room), **payload)
            missing = client.act(action, room=str(uuid.uuid4()), **payload)
            assert existing["errors"][0]["code"] == "not_found"
            assert existing["errors"] == missing["errors"]


def test_it_echoes_string_and_integer_request_ids(client: Client) -> None:
    for request_id in ("seven", 7, 0, -1, 2**53 - 1):
        client.connection.send(msgspec.json.encode({"action": "ping", "request_id": request_id}).decode())
        assert client.reply()["request_id"] == request_id


def test_it_answers_a_request_without_a_request_id(client: Client) -> None:
    client.connection.send('{"action": "ping"}')
    assert client.reply()["request_id"] is None


def test_it_refuses_an_invalid_request_id(client: Client) -> None:
    invalid: list[Any] = ["x" * 129, 2**53, 1.5, [], True]
    for request_id in invalid:
        client.connection.send(msgspec.json.encode({"action": "ping", "request_id": request_id}).decode())
        reply = client.reply()
        assert (reply["errors"][0]["code"], reply["request_id"]) == ("invalid", None)


def test_it_accepts_a_fragmented_message(client: Client) -> None:
    client.connection.send(iter(['{"action": ', '"ping"', "}"]))
    assert client.reply()["response_status"] == 200
