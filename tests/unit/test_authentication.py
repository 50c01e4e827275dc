"""The token of a handshake."""

import base64
from typing import Any

import pytest

from foundation.errors import Unauthenticated
from messaging.consumers.handshake import chosen_subprotocol, is_allowed_origin, token_of


def scope(*, authorization: bytes | None = None, offered: tuple[str, ...] = (), origin: bytes | None = None) -> Any:
    headers = [(b"host", b"localhost")]
    if authorization is not None:
        headers.append((b"authorization", authorization))
    if origin is not None:
        headers.append((b"origin", origin))
    return {"headers": headers, "subprotocols": list(offered)}


def basic(credentials: bytes) -> bytes:
    return b"Basic " + base64.b64encode(credentials)


def test_it_works() -> None:
    assert token_of(scope(authorization=b"Bearer t.o.k")) == "t.o.k"


@pytest.mark.parametrize("header", [b"bearer t.o.k", b"BEARER t.o.k", b"Bearer  t.o.k "])
def test_it_reads_the_scheme_in_any_case(header: bytes) -> None:
    assert token_of(scope(authorization=header)) == "t.o.k"


def test_it_takes_a_second_subprotocol_from_browsers() -> None:
    assert token_of(scope(offered=("roomlog.v1", "bearer.t.o.k"))) == "t.o.k"


def test_it_takes_a_password_from_whoever_can_only_give_an_address() -> None:
    assert token_of(scope(authorization=basic(b"bearer:t.o.k"))) == "t.o.k"


def test_it_prefers_the_header() -> None:
    assert token_of(scope(authorization=b"Bearer header", offered=("bearer.offered",))) == "header"


@pytest.mark.parametrize(
    "header",
    [
        None,
        b"",
        b"Bearer",
        b"Bearer ",
        b"Token t.o.k",
        b"Basic",
        b"Basic !!!",
        basic(b"alice:t.o.k"),
        basic(b"bearer:"),
        basic(b"bearer"),
        basic(b"\xff\xfe:t"),
        b"Basic \xe9\xe9\xe9\xe9",
    ],
)
def test_it_refuses_a_header_without_a_token(header: bytes | None) -> None:
    with pytest.raises(Unauthenticated):
        token_of(scope(authorization=header))


@pytest.mark.parametrize("offered", [("roomlog.v1",), ("roomlog.v1", "bearer"), ("Bearer.t.o.k",)])
def test_it_refuses_subprotocols_without_a_token(offered: tuple[str, ...]) -> None:
    with pytest.raises(Unauthenticated):
        token_of(scope(offered=offered))


def test_it_reads_neither_address_nor_cookie() -> None:
    handshake = scope()
    handshake["query_string"] = b"token=t.o.k&access_token=t.o.k"
    handshake["headers"].append((b"cookie", b"sessionid=t.o.k; token=t.o.k"))

    with pytest.raises(Unauthenticated):
        token_of(handshake)


def test_it_chooses_our_subprotocol_where_it_was_offered() -> None:
    assert chosen_subprotocol(scope(offered=("bearer.t", "roomlog.v1"))) == "roomlog.v1"


def test_it_chooses_none_where_ours_was_not_offered() -> None:
    assert chosen_subprotocol(scope(offered=("bearer.t", "roomlog.v2"))) is None


@pytest.mark.parametrize(
    ("origin", "allowed", "verdict"),
    [
        (None, [], True),
        (None, ["https://a.example"], True),
        (b"https://b.example", [], True),
        (b"https://a.example", ["https://a.example"], True),
        (b"https://b.example", ["https://a.example"], False),
        (b"https://a.example.evil", ["https://a.example"], False),
        (b"null", ["https://a.example"], False),
        (b"http://[", ["https://a.example"], False),
    ],
)
def test_it_allows_an_origin_on_the_list(origin: bytes | None, allowed: list[str], verdict: bool) -> None:
    assert is_allowed_origin(scope(origin=origin), allowed=allowed) is verdict
