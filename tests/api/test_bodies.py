"""Bodies of requests, on a real server: of any framing, and no larger than they may be."""

from collections.abc import Iterator

import httpx
import pytest

from tests.people import Person
from tests.servers import Server

MAX_BYTES = 64 * 1024


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
