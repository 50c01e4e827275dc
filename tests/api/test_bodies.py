"""Request bodies, on a real server: their framing, their size, and clients that hang up before the end."""

import socket
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest

from api.bodies import bounded
from tests.people import Person
from tests.servers import Server

MAX_BYTES = 64 * 1024

MESSAGE, ROOM = b'{"text": "cut"}', b'{"name": "cut", "kind": "public"}'
# Django cancels the view of a client that has gone if it gets there in time. Among this many requests, some views run.
CUT_REQUESTS = 20
# How a client frames a body that it then cuts short: a header, and what precedes the part that it sends.
CUT_FRAMINGS = {"length": (b"Content-Length: 100", b""), "chunked": (b"Transfer-Encoding: chunked", b"%x\r\n")}


def in_chunks(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), 4096):
        yield content[start : start + 4096]


def test_it_works(server: Server, alice: Person) -> None:
    with server.rest(alice.headers) as rest:
        answer = rest.post(
            "/api/v1/rooms/",
            content=in_chunks(b'{"name": "Tea", "kind": "public"}'),
            headers={"Content-Type": "application/json"},
        )
    assert (answer.status_code, answer.json()["name"]) == (201, "Tea")


@pytest.mark.parametrize("is_chunked", [False, True])
@pytest.mark.parametrize("path", ["/api/v1/rooms/", "/_allauth/app/v1/auth/login", "/healthz"])
def test_it_refuses_a_body_that_is_too_large(server: Server, path: str, is_chunked: bool) -> None:
    content = b" " * (MAX_BYTES + 1)
    answer = httpx.post(f"{server.url}{path}", content=in_chunks(content) if is_chunked else content)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert answer.headers["Connection"] == "close"


def test_it_accepts_the_largest_body(server: Server, alice: Person) -> None:
    body = b'{"name": "Tea", "kind": "public"}'
    with server.rest(alice.headers) as rest:
        answer = rest.post(
            "/api/v1/rooms/", content=body.ljust(MAX_BYTES), headers={"Content-Type": "application/json"}
        )
    assert answer.status_code == 201


def post_part(server: Server, person: Person, path: str, part: bytes, framing: str) -> bytes:
    """Sends a request whose body ends early, hangs up, and returns what the server answers until it closes."""
    header, opening = CUT_FRAMINGS[framing]
    lines = [b"POST " + path.encode() + b" HTTP/1.1", b"Host: localhost", b"Content-Type: application/json", header]
    lines += [b": ".join((name.encode(), value.encode())) for name, value in person.headers.items()]
    chunk = opening % len(part) + part + b"\r\n" if opening else part
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(b"\r\n".join([*lines, b"", chunk]))
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize("framing", CUT_FRAMINGS)
@pytest.mark.parametrize("missing", [0, 1], ids=["whole object", "prefix"])
def test_it_drops_a_message_whose_client_hangs_up(
    server: Server, alice: Person, room: UUID, missing: int, framing: str
) -> None:
    messages = f"/api/v1/rooms/{room}/messages/"

    for _ in range(CUT_REQUESTS):
        assert post_part(server, alice, messages, MESSAGE[: len(MESSAGE) - missing], framing) == b""

    with server.rest(alice.headers) as rest:
        assert rest.post(messages, json={"text": "whole"}).json()["id"] == 1
        assert [message["text"] for message in rest.get(messages).json()["messages"]] == ["whole"]


@pytest.mark.parametrize("framing", CUT_FRAMINGS)
def test_it_drops_a_room_whose_client_hangs_up(server: Server, alice: Person, framing: str) -> None:
    for _ in range(CUT_REQUESTS):
        assert post_part(server, alice, "/api/v1/rooms/", ROOM, framing) == b""

    with server.rest(alice.headers) as rest:
        assert rest.post("/api/v1/rooms/", json={"name": "whole", "kind": "public"}).status_code == 201
        assert [room["name"] for room in rest.get("/api/v1/rooms/").json()["results"]] == ["whole"]


@pytest.mark.parametrize("parts", [[], [b""], [MESSAGE], [MESSAGE, b" "]])
async def test_it_does_not_call_the_app_for_a_client_that_hangs_up(parts: list[bytes]) -> None:
    calls: list[object] = []
    scope: Any = {"type": "http", "headers": []}
    events = iter([{"type": "http.request", "body": part, "more_body": True} for part in parts])

    async def app(*arguments: object) -> None:
        calls.append(arguments)

    async def receive() -> Any:
        return next(events, {"type": "http.disconnect"})

    async def send(event: object) -> None:
        calls.append(event)

    await bounded(app, max_bytes=MAX_BYTES)(scope, receive, send)

    assert calls == []
