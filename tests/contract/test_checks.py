"""The checks that every frame and answer of the suite goes through do refuse what is wrong."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tests.contract import documents

SOCKET, REST = documents.Socket(), documents.Rest()  # which have seen nothing yet
ROOM = "01990000-0000-7000-8000-000000000001"
JSON = {"Content-Type": "application/json"}

Change = Callable[[Any], Any]


def example(message: str, name: str) -> Any:
    """One of asyncapi.yaml's, to be spoiled."""
    found = next(item["payload"] for item in SOCKET.messages[message]["examples"] if item["name"] == name)
    return msgspec.json.decode(msgspec.json.encode(found))


def replace(*path: str | int, by: object) -> Change:
    def change(frame: Any) -> Any:
        place = frame
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = by
        return frame

    return change


def drop(*path: str) -> Change:
    def change(frame: Any) -> Any:
        place = frame
        for name in path[:-1]:
            place = place[name]
        del place[path[-1]]
        return frame

    return change


WRONG_FRAMES: list[tuple[str, str, str, Change]] = [
    ("an event that is not there", "MessageCreated", "message.created", replace("event", by="message.sung")),
    ("another's event", "MemberJoined", "member.joined", replace("event", by="room.updated")),
    ("no seq", "MessageCreated", "message.created", drop("seq")),
    ("a seq that is a text", "MessageCreated", "message.created", replace("seq", by="57")),
    ("a message without thread", "MessageCreated", "message.created", drop("data", "thread")),
    ("a key too many", "MessageCreated", "message.created", replace("colour", by="red")),
    ("a key too many, deep", "MessageCreated", "message.created", replace("data", "sender", "email", by="a@b")),
    ("a time without zone", "MessageCreated", "message.created", replace("at", by="2026-01-02T03:04:05.678")),
    (
        "a time without milliseconds",
        "RoomUpdated",
        "room.updated",
        replace("data", "created_at", by="2026-01-02T03:04Z"),
    ),
    ("an id in capitals", "MessageCreated", "message.created", replace("room", by=ROOM.replace("7000", "700A"))),
    ("a role that is not there", "MemberJoined", "member.joined", replace("data", "member", "role", by="king")),
    ("a reply without request_id", "SendReply", "send", drop("request_id")),
    ("a reply of another action", "SendReply", "send", replace("action", by="read")),
    ("a reply to nothing", "PingReply", "ping", replace("action", by=None)),
    ("a status of another action", "SendReply", "send", replace("response_status", by=200)),
    ("success without data", "SendReply", "send", replace("data", by=None)),
    ("data where there is none", "LeaveReply", "leave", replace("data", by={})),
    ("a room both there and not", "SyncReply", "sync", drop("data", "rooms", ROOM, "unread")),
    ("a refusal with data", "Refusal", "muted", replace("data", by={})),
    ("a code that is not there", "Refusal", "muted", replace("errors", 0, "code", by="tired")),
    ("a code of another action", "Refusal", "muted", replace("action", by="read")),
    ("a status of another code", "Refusal", "muted", replace("response_status", by=404)),
    ("nothing about when to retry", "Refusal", "overloaded", replace("errors", 0, "retry_after", by=None)),
    ("a retry of what is final", "Refusal", "muted", replace("errors", 0, "retry_after", by=1)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("message", "name", "change"), [row[1:] for row in WRONG_FRAMES], ids=[row[0] for row in WRONG_FRAMES]
)
def test_it_refuses_such_a_frame(message: str, name: str, change: Change) -> None:
    frame = example(message, name)
    SOCKET.check_frame(frame)

    with pytest.raises(AssertionError):
        SOCKET.check_frame(change(frame))


def test_it_looks_at_every_shape_and_not_at_every_frame() -> None:
    socket, frame = documents.Socket(), example("MessageCreated", "message.created")
    for _ in range(documents.CHECKS_PER_SHAPE):
        socket.check_frame(frame)

    socket.check_frame(frame | {"at": "soon"})
    with pytest.raises(AssertionError):
        socket.check_frame(frame | {"seq": "57"})


def problem(code: str, status: int, **changes: object) -> bytes:
    content = {
        "type": f"urn:roomlog:error:{code}", "title": "x", "status": status, "detail": "x", "code": code,
        "errors": [{"code": code, "field": None, "detail": "x"}], "retry_after": None,
    }  # fmt: skip
    return msgspec.json.encode(content | changes)


PROBLEM = {"content-type": documents.PROBLEM}
READ = b'{"read_id": 1, "unread": 0}'
RIGHT_ANSWERS: list[tuple[str, str, int, dict[str, str], bytes]] = [
    ("PUT", f"rooms/{ROOM}/read/", 200, JSON, READ),
    ("PUT", f"rooms/{ROOM}/read/?x=1", 404, PROBLEM, problem("not_found", 404)),
    ("POST", f"rooms/{ROOM}/leave/", 204, {}, b""),
    ("GET", "rooms/nowhere/", 404, PROBLEM, problem("not_found", 404)),
    ("GET", f"rooms/{ROOM}/leave/", 405, PROBLEM, problem("method_not_allowed", 405)),
    ("GET", "rooms/", 429, PROBLEM | {"retry-after": "1"}, problem("rate_limited", 429, retry_after=1)),
    ("GET", "rooms/", 401, PROBLEM | {"www-authenticate": "Bearer"}, problem("unauthenticated", 401)),
]
WRONG_ANSWERS: list[tuple[str, str, str, int, dict[str, str], bytes]] = [
    ("a status that is not there", "PUT", f"rooms/{ROOM}/read/", 201, JSON, READ),
    ("another type", "PUT", f"rooms/{ROOM}/read/", 200, {"Content-Type": "text/html"}, READ),
    ("a key too many", "PUT", f"rooms/{ROOM}/read/", 200, JSON, b'{"read_id": 1, "unread": 0, "x": 1}'),
    ("a key too few", "PUT", f"rooms/{ROOM}/read/", 200, JSON, b'{"read_id": 1}'),
    ("a body where there is none", "POST", f"rooms/{ROOM}/leave/", 204, JSON, b"null"),
    ("an error that is no problem", "PUT", f"rooms/{ROOM}/read/", 404, JSON, b"{}"),
    ("a status beside its code", "GET", "rooms/", 403, PROBLEM, problem("not_found", 403)),
    ("a problem of another status", "GET", "rooms/", 404, PROBLEM, problem("not_found", 400)),
    ("no word about when to retry", "GET", "rooms/", 429, PROBLEM, problem("rate_limited", 429, retry_after=1)),
    ("no word about who may", "GET", "rooms/", 401, PROBLEM, problem("unauthenticated", 401)),
    ("a page where there is none", "GET", "rooms/nowhere/", 200, JSON, b"{}"),
    ("a method that is not there", "GET", f"rooms/{ROOM}/leave/", 204, {}, b""),
    ("an event that is not there", "GET", f"rooms/{ROOM}/log/", 200, JSON,
     b'{"results": [{"event": "message.sung"}], "has_before": false, "has_after": false}'),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "status", "headers", "content"), RIGHT_ANSWERS)
def test_it_takes_such_an_answer(method: str, path: str, status: int, headers: dict[str, str], content: bytes) -> None:
    REST.check_answer(method, documents.ROOT + path, status, headers, content)


@pytest.mark.parametrize(
    ("method", "path", "status", "headers", "content"),
    [row[1:] for row in WRONG_ANSWERS],
    ids=[row[0] for row in WRONG_ANSWERS],
)
def test_it_refuses_such_an_answer(
    method: str, path: str, status: int, headers: dict[str, str], content: bytes
) -> None:
    with pytest.raises(AssertionError):
        REST.check_answer(method, documents.ROOT + path, status, headers, content)
