"""The same action has the same outcome over the socket and over REST."""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest
from websockets.exceptions import ConnectionClosed

from accounts.models import Usage
from accounts.sessions import SessionStore
from messaging.wire.limits import Limits
from rooms import services
from rooms.models import Room
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
    """The status, and either the data or the code and field of the error."""

    status: int
    data: Any = None
    code: str | None = None
    field: str | None = None


def refused(status: int, code: str, field: str | None = None) -> Outcome:
    return Outcome(status, None, code, field)


# -- rooms ------------------------------------------------------------------------------------------------------------


def private(alice: Person, bob: Person) -> UUID:
    """Bob is a member. Seqs 3 and 4 are the messages 1 and 2."""
    room = services.create_room(user_id=alice.id, new=NewRoom(name="Tea", kind="private")).room.id
    services.add_member(user_id=alice.id, room_id=room, new=NewMember(user=bob.id))
    say(alice, room, "one", "two")
    return room


def public(alice: Person, bob: Person) -> UUID:
    """Bob is not a member, but may join."""
    room = services.create_room(user_id=alice.id, new=NewRoom(name="Plaza", kind="public")).room.id
    say(alice, room, "one", "two")
    return room


def private_of_others(alice: Person, bob: Person) -> UUID:
    """Bob is not a member, and may not join."""
    return services.create_room(user_id=alice.id, new=NewRoom(name="Club", kind="private")).room.id


def missing(alice: Person, bob: Person) -> UUID:
    return uuid4()


def left_by_bob(alice: Person, bob: Person) -> UUID:
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


def full(alice: Person, bob: Person) -> UUID:
    """As many members as there may be, without Bob."""
    room = public(alice, bob)
    Room.objects.filter(id=room).update(member_count=Limits().max_room_members)
    return room


def one_too_many_for_bob(alice: Person, bob: Person) -> UUID:
    """Bob is a member of as many rooms as he may be."""
    Usage.objects.update_or_create(
        user_id=bob.id, quota="memberships", defaults={"level": Limits().max_memberships, "at": 0}
    )
    return public(alice, bob)


def muted_for_bob(alice: Person, bob: Person) -> UUID:
    room = private(alice, bob)
    patch = MemberPatch(muted_until=UNTIL)
    services.update_member(user_id=alice.id, room_id=room, member_id=bob.id, patch=patch)
    return room


def owned_by_bob(alice: Person, bob: Person) -> UUID:
    """Bob is the only owner."""
    return private(bob, alice)


def with_used_client_id(alice: Person, bob: Person) -> UUID:
    """Bob has already sent "hi" with the client_id c-1: message 3."""
    from messaging.services.send import send_message
    from messaging.wire.actions import Send

    room = private(alice, bob)
    send_message(Send(room=room, text="hi", client_id="c-1"), sender=bob.principal)
    return room


# -- the two APIs -----------------------------------------------------------------------------------------------------


class BothApis:
    """Performs actions of Bob over the socket and over REST."""

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
        if action == "join":  # REST has no events to resume
            assert data.pop("resync") is False
        return Outcome(reply["response_status"], _normalized(data, room))

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
        return Outcome(answer.status_code, _normalized(answer.json(), room))


@pytest.fixture
def apis(server: Server, bob: Person) -> Iterator[BothApis]:
    with Client(server, bob) as socket, server.rest(bob.headers) as rest:
        yield BothApis(socket, rest)


def _normalized(data: Any, room: UUID) -> Any:
    """Returns `data` without the room's id and the times, in which two rooms made alike differ."""
    text = msgspec.json.encode(data).decode().replace(str(room), "<room>")
    return msgspec.json.decode(re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "<time>", text))


# -- actions ----------------------------------------------------------------------------------------------------------

MakeRoom = Callable[[Person, Person], UUID]
NOT_FOUND, NOT_A_MEMBER = refused(404, "not_found"), refused(403, "not_a_member")
SENT = Outcome(201, {"room": "<room>", "id": 3, "seq": 5, "created_at": "<time>"})

# Action, room, payload and outcome. If the outcome is a mere status, the data only has to be the same over both.
CASES: list[tuple[str, MakeRoom, Payload, Outcome | int]] = [
    ("join", private, {}, 200),
    ("join", public, {}, 200),
    ("join", archived, {}, 200),
    ("join", archived_public, {}, refused(403, "archived")),
    ("join", full, {}, refused(409, "limit_reached")),
    ("join", one_too_many_for_bob, {}, refused(409, "limit_reached")),
    ("join", private_of_others, {}, NOT_FOUND),
    ("join", left_by_bob, {}, NOT_FOUND),
    ("join", missing, {}, NOT_FOUND),
    ("leave", private, {}, Outcome(200)),
    ("leave", muted_for_bob, {}, Outcome(200)),
    ("leave", archived, {}, Outcome(200)),
    ("leave", owned_by_bob, {}, refused(409, "last_owner")),
    ("leave", public, {}, NOT_A_MEMBER),
    ("leave", private_of_others, {}, NOT_FOUND),
    ("leave", left_by_bob, {}, NOT_FOUND),
    ("leave", missing, {}, NOT_FOUND),
    ("send", private, {"text": "hi"}, SENT),
    ("send", private, {"text": "", "data": {"n": [1.5, None, "é"]}, "reply_to": 2, "client_id": "c-1"}, SENT),
    ("send", with_used_client_id, {"text": "hi", "client_id": "c-1"}, SENT),
    ("send", with_used_client_id, {"text": "other", "client_id": "c-1"}, refused(409, "client_id_reused", "client_id")),
    ("send", public, {"text": "hi"}, NOT_A_MEMBER),
    ("send", archived, {"text": "hi"}, refused(403, "archived")),
    ("send", muted_for_bob, {"text": "hi"}, refused(403, "muted")),
    ("send", private_of_others, {"text": "hi"}, refused(404, "not_found", "room")),
    ("send", left_by_bob, {"text": "hi"}, refused(404, "not_found", "room")),
    ("send", missing, {"text": "hi"}, refused(404, "not_found", "room")),
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
    ("history", muted_for_bob, {}, 200),
    ("history", public, {}, NOT_A_MEMBER),
    ("history", private_of_others, {}, NOT_FOUND),
    ("history", left_by_bob, {}, NOT_FOUND),
    ("history", missing, {}, NOT_FOUND),
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
    ("read", muted_for_bob, {"id": 2}, Outcome(200, {"read_id": 2, "unread": 0})),
    ("read", public, {"id": 1}, NOT_A_MEMBER),
    ("read", private_of_others, {"id": 0}, NOT_FOUND),
    ("read", left_by_bob, {"id": 1}, NOT_FOUND),
    ("read", missing, {"id": 0}, NOT_FOUND),
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


@pytest.mark.parametrize(("action", "make_room", "payload", "expected"), CASES, ids=_name)
def test_it_has_the_same_outcome_over_both(
    apis: BothApis,
    alice: Person,
    bob: Person,
    action: str,
    make_room: MakeRoom,
    payload: Payload,
    expected: Outcome | int,
) -> None:
    """The two APIs act in two rooms that were made alike."""
    over_socket = apis.over_socket(action, make_room(alice, bob), payload)
    over_rest = apis.over_rest(action, make_room(alice, bob), payload)

    assert over_socket == over_rest
    if isinstance(expected, int):
        assert (over_rest.status, over_rest.code) == (expected, None)
        assert over_rest.data
    else:
        assert over_rest == expected


@pytest.mark.parametrize("first", ["socket", "rest"])
@pytest.mark.parametrize(
    ("action", "make_room", "payload"),
    [
        ("join", public, {}),
        ("send", private, {"text": "hi", "client_id": "c-1", "data": {"n": 1}}),
        ("history", private, {"before": 2}),
        ("read", private, {"id": 2}),
    ],
    ids=_name,
)
def test_it_can_be_repeated_over_the_other(
    apis: BothApis, alice: Person, bob: Person, action: str, make_room: MakeRoom, payload: Payload, first: str
) -> None:
    room, calls = make_room(alice, bob), [apis.over_socket, apis.over_rest]
    first_call, second_call = calls if first == "socket" else calls[::-1]

    assert first_call(action, room, payload) == second_call(action, room, payload)


AFTER_REVOCATION = [
    ("join", {}),
    ("leave", {}),
    ("send", {"text": "hi"}),
    ("history", {}),
    ("read", {"id": 1}),
]


@pytest.mark.parametrize(("action", "payload"), AFTER_REVOCATION, ids=_name)
def test_it_requires_a_session_over_both(
    server: Server, apis: BothApis, alice: Person, bob: Person, action: str, payload: Payload
) -> None:
    """When the session has ended, REST answers 401, the sweep closes the socket, and a new socket is refused."""
    room = private(alice, bob)
    SessionStore(bob.session_key).delete()

    assert apis.over_rest(action, room, payload) == refused(401, "unauthenticated")
    with pytest.raises(ConnectionClosed) as closed:
        while action == "send":
            assert apis.over_socket(action, room, payload) == refused(401, "unauthenticated")
        while True:
            apis.socket.receive()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4503, "session_revoked")
    with pytest.raises(ConnectionClosed) as refusal:
        Client(server, bob)
    assert refusal.value.rcvd is not None
    assert (refusal.value.rcvd.code, refusal.value.rcvd.reason) == (4501, "unauthenticated")
