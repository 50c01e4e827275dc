"""The checks that all tests apply to frames and answers reject those that the documents do not allow."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tests.contract import documents

SOCKET, REST = documents.Socket(), documents.Rest()  # fresh ones, which have not counted any shape yet
ROOM = "01990000-0000-7000-8000-000000000001"
JSON = {"Content-Type": "application/json"}

Change = Callable[[Any], Any]


def example(message: str, name: str) -> Any:
    """Returns a copy of an example in asyncapi.yaml, which a test may change."""
    found = next(item["payload"] for item in SOCKET.messages[message]["examples"] if item["name"] == name)
    return msgspec.json.decode(msgspec.json.encode(found))


def replace(*path: str | int, by: object) -> Change:
    def change(frame: Any) -> Any:
        parent = frame
        for name in path[:-1]:
            parent = parent[name]
        parent[path[-1]] = by
        return frame

    return change


def drop(*path: str) -> Change:
    def change(frame: Any) -> Any:
        parent = frame
        for name in path[:-1]:
            parent = parent[name]
        del parent[path[-1]]
        return frame

    return change


INVALID_FRAMES: list[tuple[str, str, str, Change]] = [
    ("an unknown event", "MessageCreated", "message.created", replace("event", by="message.sung")),
    ("the event of another message", "MemberJoined", "member.joined", replace("event", by="room.updated")),
    ("no seq", "MessageCreated", "message.created", drop("seq")),
    ("a seq that is a string", "MessageCreated", "message.created", replace("seq", by="57")),
    ("a message without thread", "MessageCreated", "message.created", drop("data", "thread")),
    ("an additional key", "MessageCreated", "message.created", replace("colour", by="red")),
    ("an additional nested key", "MessageCreated", "message.created", replace("data", "sender", "email", by="a@b")),
    ("a time without a zone", "MessageCreated", "message.created", replace("at", by="2026-01-02T03:04:05.678")),
    (
        "a time without milliseconds",
        "RoomUpdated",
        "room.updated",
        replace("data", "created_at", by="2026-01-02T03:04Z"),
    ),
    ("an id in upper case", "MessageCreated", "message.created", replace("room", by=ROOM.replace("7000", "700A"))),
    ("an unknown role", "MemberJoined", "member.joined", replace("data", "member", "role", by="king")),
    ("a reply without request_id", "SendReply", "send", drop("request_id")),
    ("a reply to another action", "SendReply", "send", replace("action", by="read")),
    ("a reply to no action", "PingReply", "ping", replace("action", by=None)),
    ("the status of another action", "SendReply", "send", replace("response_status", by=200)),
    ("success without data", "SendReply", "send", replace("data", by=None)),
    ("data in a reply that has none", "LeaveReply", "leave", replace("data", by={})),
    ("a room whose result is incomplete", "SyncReply", "sync", drop("data", "rooms", ROOM, "unread")),
    ("a refusal with data", "Refusal", "muted", replace("data", by={})),
    ("an unknown error code", "Refusal", "muted", replace("errors", 0, "code", by="tired")),
    ("an error code of another action", "Refusal", "muted", replace("action", by="read")),
    ("the status of another error code", "Refusal", "muted", replace("response_status", by=404)),
    ("a retryable error without retry_after", "Refusal", "overloaded", replace("errors", 0, "retry_after", by=None)),
    ("a final error with retry_after", "Refusal", "muted", replace("errors", 0, "retry_after", by=1)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("message", "name", "change"), [row[1:] for row in INVALID_FRAMES], ids=[row[0] for row in INVALID_FRAMES]
)
def test_it_rejects_an_invalid_frame(message: str, name: str, change: Change) -> None:
    frame = example(message, name)
    SOCKET.check_frame(frame)

    with pytest.raises(AssertionError):
        SOCKET.check_frame(change(frame))


def test_it_checks_every_shape_but_not_every_frame() -> None:
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
VALID_ANSWERS: list[tuple[str, str, int, dict[str, str], bytes]] = [
    ("PUT", f"rooms/{ROOM}/read/", 200, JSON, READ),
    ("PUT", f"rooms/{ROOM}/read/?x=1", 404, PROBLEM, problem("not_found", 404)),
    ("POST", f"rooms/{ROOM}/leave/", 204, {}, b""),
    ("GET", "rooms/nowhere/", 404, PROBLEM, problem("not_found", 404)),
    ("GET", f"rooms/{ROOM}/leave/", 405, PROBLEM, problem("method_not_allowed", 405)),
    ("GET", "rooms/", 429, PROBLEM | {"retry-after": "1"}, problem("rate_limited", 429, retry_after=1)),
    ("GET", "rooms/", 401, PROBLEM | {"www-authenticate": "Bearer"}, problem("unauthenticated", 401)),
]
INVALID_ANSWERS: list[tuple[str, str, str, int, dict[str, str], bytes]] = [
    ("an undocumented status", "PUT", f"rooms/{ROOM}/read/", 201, JSON, READ),
    ("another content type", "PUT", f"rooms/{ROOM}/read/", 200, {"Content-Type": "text/html"}, READ),
    ("an additional key", "PUT", f"rooms/{ROOM}/read/", 200, JSON, b'{"read_id": 1, "unread": 0, "x": 1}'),
    ("a missing key", "PUT", f"rooms/{ROOM}/read/", 200, JSON, b'{"read_id": 1}'),
    ("a body in an answer that has none", "POST", f"rooms/{ROOM}/leave/", 204, JSON, b"null"),
    ("an error that is not a problem", "PUT", f"rooms/{ROOM}/read/", 404, JSON, b"{}"),
    ("a code with the status of another", "GET", "rooms/", 403, PROBLEM, problem("not_found", 403)),
    ("a problem with another status", "GET", "rooms/", 404, PROBLEM, problem("not_found", 400)),
    ("429 without Retry-After", "GET", "rooms/", 429, PROBLEM, problem("rate_limited", 429, retry_after=1)),
    ("401 without WWW-Authenticate", "GET", "rooms/", 401, PROBLEM, problem("unauthenticated", 401)),
    ("a page at an unknown address", "GET", "rooms/nowhere/", 200, JSON, b"{}"),
    ("an undocumented method", "GET", f"rooms/{ROOM}/leave/", 204, {}, b""),
    ("an unknown event in the log", "GET", f"rooms/{ROOM}/log/", 200, JSON,
     b'{"results": [{"event": "message.sung"}], "has_before": false, "has_after": false}'),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "status", "headers", "content"), VALID_ANSWERS)
def test_it_accepts_a_valid_answer(
    method: str, path: str, status: int, headers: dict[str, str], content: bytes
) -> None:
    REST.check_answer(method, documents.ROOT + path, status, headers, content)


@pytest.mark.parametrize(
    ("method", "path", "status", "headers", "content"),
    [row[1:] for row in INVALID_ANSWERS],
    ids=[row[0] for row in INVALID_ANSWERS],
)
def test_it_rejects_an_invalid_answer(
    method: str, path: str, status: int, headers: dict[str, str], content: bytes
) -> None:
    with pytest.raises(AssertionError):
        REST.check_answer(method, documents.ROOT + path, status, headers, content)
