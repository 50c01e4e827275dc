"""Two doors, one room: the same deed over the socket and over REST has the same outcome."""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest
from websockets.exceptions import ConnectionClosed

from accounts.sessions import SessionStore
from rooms import services
from rooms.schema import MemberPatch, NewMember, NewRoom, RoomPatch
from tests.people import Person
from tests.servers import Server
from tests.services.rooms import say
from tests.sockets import Client

UNTIL = "2999-01-01T00:00:00.000Z"
BEYOND = 2**53
DEEP: Any = msgspec.json.decode("[" * 40 + "]" * 40)

Payload = dict[str, Any]


class Outcome(NamedTuple):
    """`status` and either `data` or what is refused, by code and field."""

    status: int
    data: Any = None
    code: str | None = None
    field: str | None = None


def refused(status: int, code: str, field: str | None = None) -> Outcome:
    return Outcome(status, None, code, field)


# -- rooms ------------------------------------------------------------------------------------------------------------


def private(alice: Person, bob: Person) -> UUID:
    """Bob is in: seq 3 and 4, message 1 and 2 are said."""
    room = services.create_room(user_id=alice.id, new=NewRoom(name="Tea", kind="private")).room.id
    services.add_member(user_id=alice.id, room_id=room, new=NewMember(user=bob.id))
    say(alice, room, "one", "two")
    return room


def public(alice: Person, bob: Person) -> UUID:
    """Bob is not in, and may come."""
    room = services.create_room(user_id=alice.id, new=NewRoom(name="Plaza", kind="public")).room.id
    say(alice, room, "one", "two")
    return room


def others(alice: Person, bob: Person) -> UUID:
    """Private, and Bob is not in."""
    return services.create_room(user_id=alice.id, new=NewRoom(name="Club", kind="private")).room.id


def nowhere(alice: Person, bob: Person) -> UUID:
    return uuid4()


def left(alice: Person, bob: Person) -> UUID:
    room = private(alice, bob)
    services.leave_room(user_id=bob.id, room_id=room)
    return room


def archived(alice: Person, bob: Person) -> UUID:
    room = private(alice, bob)
    services.update_room(user_id=alice.id, room_id=room, patch=RoomPatch(archived=True))
    return room


def archived_public(alice: Person, bob: Person) -> UUID:
    room = public(alice, bob)
    services.update_room(user_id=alice.id, room_id=room, patch=RoomPatch(archived=True))
    return room


def muted(alice: Person, bob: Person) -> UUID:
    room = private(alice, bob)
    patch = MemberPatch(muted_until=UNTIL)
    services.update_member(user_id=alice.id, room_id=room, member_id=bob.id, patch=patch)
    return room


def his_own(alice: Person, bob: Person) -> UUID:
    """Bob is the one owner."""
    return private(bob, alice)


def used(alice: Person, bob: Person) -> UUID:
    """Bob has said "hi" with the key c-1: message 3."""
    from messaging.services.send import send_message
    from messaging.wire.actions import Send

    room = private(alice, bob)
    send_message(Send(room=room, text="hi", client_id="c-1"), sender=bob.principal)
    return room


# -- the doors --------------------------------------------------------------------------------------------------------


class Doors:
    """Bob at both."""

    def __init__(self, socket: Client, rest: httpx.Client) -> None:
        self.socket = socket
        self.rest = rest

    def over_socket(self, action: str, room: UUID, payload: Payload) -> Outcome:
        extra = {"forget": True} if action == "leave" else {}
        reply = self.socket.act(action, room=str(room), **extra, **payload)
        if reply["errors"]:
            error = reply["errors"][0]
            return refused(reply["response_status"], error["code"], error["field"])
        data = reply["data"]
        if action == "join":  # it also says where the follower goes on
            assert data.pop("resync") is False
        return Outcome(reply["response_status"], _general(data, room))

    def over_rest(self, action: str, room: UUID, payload: Payload) -> Outcome:
        root = f"/api/v1/rooms/{room}"
        match action:
            case "join" | "leave":
                assert not payload
                answer = self.rest.post(f"{root}/{action}/")
            case "send":
                answer = self.rest.post(f"{root}/messages/", json=payload)
            case "history":
                answer = self.rest.get(f"{root}/messages/", params=payload)
            case "read":
                answer = self.rest.put(f"{root}/read/", json=payload)
            case _:
                raise AssertionError(action)
        if answer.is_error:
            problem = answer.json()
            return refused(answer.status_code, problem["code"], problem["errors"][0]["field"])
        if answer.status_code == 204:
            return Outcome(200)
        return Outcome(answer.status_code, _general(answer.json(), room))


@pytest.fixture
def doors(server: Server, bob: Person) -> Iterator[Doors]:
    with Client(server, bob) as socket, server.rest(bob.headers) as rest:
        yield Doors(socket, rest)


def _general(data: Any, room: UUID) -> Any:
    """`data` without what two rooms that were made alike differ in: their ids and times."""
    text = msgspec.json.encode(data).decode().replace(str(room), "<room>")
    return msgspec.json.decode(re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "<time>", text))


# -- deeds ------------------------------------------------------------------------------------------------------------

MAKE = Callable[[Person, Person], UUID]
NOT_FOUND, NOT_A_MEMBER = refused(404, "not_found"), refused(403, "not_a_member")
SENT = Outcome(201, {"room": "<room>", "id": 3, "seq": 5, "created_at": "<time>"})

# The deed, the room, the payload, and the outcome: where it is a status, the data is only to be the same.
DEEDS: list[tuple[str, MAKE, Payload, Outcome | int]] = [
    ("join", private, {}, 200),
    ("join", public, {}, 200),
    ("join", archived, {}, 200),
    ("join", archived_public, {}, refused(403, "archived")),
    ("join", others, {}, NOT_FOUND),
    ("join", left, {}, NOT_FOUND),
    ("join", nowhere, {}, NOT_FOUND),
    ("leave", private, {}, Outcome(200)),
    ("leave", muted, {}, Outcome(200)),
    ("leave", archived, {}, Outcome(200)),
    ("leave", his_own, {}, refused(409, "last_owner")),
    ("leave", public, {}, NOT_A_MEMBER),
    ("leave", others, {}, NOT_FOUND),
    ("leave", left, {}, NOT_FOUND),
    ("leave", nowhere, {}, NOT_FOUND),
    ("send", private, {"text": "hi"}, SENT),
    ("send", private, {"text": "", "data": {"n": [1.5, None, "é"]}, "reply_to": 2, "client_id": "c-1"}, SENT),
    ("send", used, {"text": "hi", "client_id": "c-1"}, SENT),
    ("send", used, {"text": "other", "client_id": "c-1"}, refused(409, "client_id_reused", "client_id")),
    ("send", public, {"text": "hi"}, NOT_A_MEMBER),
    ("send", archived, {"text": "hi"}, refused(403, "archived")),
    ("send", muted, {"text": "hi"}, refused(403, "muted")),
    ("send", others, {"text": "hi"}, refused(404, "not_found", "room")),
    ("send", left, {"text": "hi"}, refused(404, "not_found", "room")),
    ("send", nowhere, {"text": "hi"}, refused(404, "not_found", "room")),
    ("send", private, {}, refused(400, "invalid", "text")),
    ("send", private, {"text": None}, refused(400, "invalid", "text")),
    ("send", private, {"text": " \n"}, refused(400, "invalid", "text")),
    ("send", private, {"text": "a\0b"}, refused(400, "invalid", "text")),
    ("send", private, {"text": "hi", "colour": "red"}, refused(400, "invalid", "colour")),
    ("send", private, {"text": "hi", "client_id": ""}, refused(400, "invalid", "client_id")),
    ("send", private, {"text": "hi", "client_id": "é"}, refused(400, "invalid", "client_id")),
    ("send", private, {"text": "hi", "client_id": "c\n"}, refused(400, "invalid", "client_id")),
    ("send", private, {"text": "hi", "client_id": "c" * 65}, refused(400, "invalid", "client_id")),
    ("send", private, {"text": "hi", "reply_to": 0}, refused(400, "invalid", "reply_to")),
    ("send", private, {"text": "hi", "reply_to": 3}, refused(400, "invalid", "reply_to")),
    ("send", private, {"text": "hi", "reply_to": BEYOND}, refused(400, "invalid", "reply_to")),
    ("send", private, {"text": "hi", "data": []}, refused(400, "invalid", "data")),
    ("send", private, {"text": "hi", "data": {"n": BEYOND}}, refused(400, "invalid", "data.n")),
    ("send", private, {"text": "hi", "data": {"a": [{"b": "\0"}]}}, refused(400, "invalid", "data.a[0].b")),
    ("send", private, {"text": "hi", "data": {"\0": 1}}, refused(400, "invalid", "data")),
    ("send", private, {"text": "hi", "data": {"a": DEEP}}, refused(400, "invalid", "data")),
    ("send", private, {"text": "x" * 4001}, refused(413, "too_large", "text")),
    ("send", private, {"text": "hi", "data": {"a": "x" * 4096}}, refused(413, "too_large", "data")),
    ("history", private, {}, 200),
    ("history", private, {"before": 2, "limit": 1}, 200),
    ("history", private, {"after": 1}, 200),
    ("history", private, {"after": 0, "limit": 100}, 200),
    ("history", private, {"around": 2, "limit": 1}, 200),
    ("history", private, {"before": BEYOND - 1}, 200),
    ("history", archived, {}, 200),
    ("history", muted, {}, 200),
    ("history", public, {}, NOT_A_MEMBER),
    ("history", others, {}, NOT_FOUND),
    ("history", left, {}, NOT_FOUND),
    ("history", nowhere, {}, NOT_FOUND),
    ("history", private, {"limit": 0}, refused(400, "invalid", "limit")),
    ("history", private, {"limit": 101}, refused(400, "invalid", "limit")),
    ("history", private, {"limit": "many"}, refused(400, "invalid", "limit")),
    ("history", private, {"before": 0}, refused(400, "invalid", "before")),
    ("history", private, {"after": -1}, refused(400, "invalid", "after")),
    ("history", private, {"around": 1.5}, refused(400, "invalid", "around")),
    ("history", private, {"after": BEYOND}, refused(400, "invalid", "after")),
    ("history", private, {"before": 1, "after": 1}, refused(400, "invalid", "before")),
    ("history", private, {"after": 1, "around": 1}, refused(400, "invalid", "before")),
    ("history", private, {"offset": 1}, refused(400, "invalid", "offset")),
    ("read", private, {"id": 1}, Outcome(200, {"read_id": 1, "unread": 1})),
    ("read", private, {"id": 0, "unread": True}, Outcome(200, {"read_id": 0, "unread": 2})),
    ("read", archived, {"id": 2}, Outcome(200, {"read_id": 2, "unread": 0})),
    ("read", muted, {"id": 2}, Outcome(200, {"read_id": 2, "unread": 0})),
    ("read", public, {"id": 1}, NOT_A_MEMBER),
    ("read", others, {"id": 0}, NOT_FOUND),
    ("read", left, {"id": 1}, NOT_FOUND),
    ("read", nowhere, {"id": 0}, NOT_FOUND),
    ("read", private, {}, refused(400, "invalid", "id")),
    ("read", private, {"id": 3}, refused(400, "invalid", "id")),
    ("read", private, {"id": -1}, refused(400, "invalid", "id")),
    ("read", private, {"id": "1"}, refused(400, "invalid", "id")),
    ("read", private, {"id": BEYOND}, refused(400, "invalid", "id")),
    ("read", private, {"id": 1, "unread": 1}, refused(400, "invalid", "unread")),
    ("read", private, {"id": 1, "colour": "red"}, refused(400, "invalid", "colour")),
]  # fmt: skip


def _name(part: object) -> str | None:
    match part:
        case Outcome():
            return part.code or str(part.status)
        case dict():
            return msgspec.json.encode(part).decode()[:60]
    return getattr(part, "__name__", None)


@pytest.mark.parametrize(("action", "make", "payload", "expected"), DEEDS, ids=_name)
def test_it_is_the_same_over_both(
    doors: Doors, alice: Person, bob: Person, action: str, make: MAKE, payload: Payload, expected: Outcome | int
) -> None:
    """In two rooms that were made alike, so that each door has its own."""
    over_socket = doors.over_socket(action, make(alice, bob), payload)
    over_rest = doors.over_rest(action, make(alice, bob), payload)

    assert over_socket == over_rest
    if isinstance(expected, int):
        assert (over_rest.status, over_rest.code) == (expected, None)
        assert over_rest.data
    else:
        assert over_rest == expected


@pytest.mark.parametrize("first", ["socket", "rest"])
@pytest.mark.parametrize(
    ("action", "make", "payload"),
    [
        ("join", public, {}),
        ("send", private, {"text": "hi", "client_id": "c-1", "data": {"n": 1}}),
        ("history", private, {"before": 2}),
        ("read", private, {"id": 2}),
    ],
    ids=_name,
)
def test_it_may_be_repeated_over_the_other(
    doors: Doors, alice: Person, bob: Person, action: str, make: MAKE, payload: Payload, first: str
) -> None:
    room, ways = make(alice, bob), [doors.over_socket, doors.over_rest]
    one, other = ways if first == "socket" else ways[::-1]

    assert one(action, room, payload) == other(action, room, payload)


REVOKED = [
    ("join", {}),
    ("leave", {}),
    ("send", {"text": "hi"}),
    ("history", {}),
    ("read", {"id": 1}),
]


@pytest.mark.parametrize(("action", "payload"), REVOKED, ids=_name)
def test_it_wants_a_session_at_both(
    server: Server, doors: Doors, alice: Person, bob: Person, action: str, payload: Payload
) -> None:
    """A socket of a session that has ended is closed within the sweep; whoever comes anew is told as REST tells."""
    room = private(alice, bob)
    SessionStore(bob.session_key).delete()

    assert doors.over_rest(action, room, payload) == refused(401, "unauthenticated")
    with pytest.raises(ConnectionClosed) as closed:
        while action == "send":
            assert doors.over_socket(action, room, payload) == refused(401, "unauthenticated")
        while True:
            doors.socket.receive()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4503, "session_revoked")
    with pytest.raises(ConnectionClosed) as refusal:
        Client(server, bob)
    assert refusal.value.rcvd is not None
    assert (refusal.value.rcvd.code, refusal.value.rcvd.reason) == (4501, "unauthenticated")
