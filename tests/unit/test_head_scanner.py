"""Where the heads of requests end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.server.heads import BODY_PIECE_BYTES, PIECE_BYTES, HeadScanner

GET = b"GET / HTTP/1.1\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n"


def pieces(data: bytes, *, in_body: bool = False) -> list[bytes]:
    scanner = HeadScanner()
    scanner.in_body = in_body
    found = []
    while data:
        end, _, _ = scanner.scan(data, most=1)
        found.append(data[:end])
        data = data[end:]
    return found


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (GET, [GET]),
        (GET * 3, [GET, GET, GET]),
        (GET[:10], [GET[:10]]),
        (POST + b"hi", [POST + b"hi"]),
        (POST + b"hi" + GET, [POST, b"hi" + GET]),
        (GET + GET[:10], [GET + GET[:10]]),
        (b"\r\n" * 100 + GET * 2, [b"\r\n" * 100, GET, GET]),
        (b"x" * 20_000, [b"x" * PIECE_BYTES, b"x" * (20_000 - PIECE_BYTES)]),
    ],
)
def test_it_works(data: bytes, expected: list[bytes]) -> None:
    assert pieces(data) == expected


def test_a_body_is_cut_into_larger_pieces() -> None:
    found = pieces(b"\r\n\r\n." * 10_000, in_body=True)
    assert all(BODY_PIECE_BYTES <= len(piece) <= PIECE_BYTES for piece in found[:-1])


@given(st.lists(st.sampled_from([GET, POST, b"hi", b"\r\n", b"\r", b"\n", b"\r\n\r\n", b"x" * 17_000])).map(b"".join))
def test_it_loses_nothing_and_comes_to_an_end(data: bytes) -> None:
    found = pieces(data)
    assert b"".join(found) == data
    assert all(0 < len(piece) <= PIECE_BYTES for piece in found)
    assert all(piece.count(b"HTTP/1.1") <= 2 for piece in found)  # a whole head, and the beginning of the next
