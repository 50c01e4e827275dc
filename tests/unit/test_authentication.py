"""What a handshake carries: a token, subprotocols and an origin."""

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


def test_it_reads_the_token_from_a_second_subprotocol() -> None:
    assert token_of(scope(offered=("roomlog.v1", "bearer.t.o.k"))) == "t.o.k"


def test_it_reads_the_token_from_the_password_of_basic_credentials() -> None:
    assert token_of(scope(authorization=basic(b"bearer:t.o.k"))) == "t.o.k"


def test_the_header_takes_precedence() -> None:
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


def test_it_does_not_read_the_url_or_a_cookie() -> None:
    handshake = scope()
    handshake["query_string"] = b"token=t.o.k&access_token=t.o.k"
    handshake["headers"].append((b"cookie", b"sessionid=t.o.k; token=t.o.k"))

    with pytest.raises(Unauthenticated):
        token_of(handshake)


def test_it_chooses_our_subprotocol_if_it_is_offered() -> None:
    assert chosen_subprotocol(scope(offered=("bearer.t", "roomlog.v1"))) == "roomlog.v1"


def test_it_chooses_no_subprotocol_if_ours_is_not_offered() -> None:
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
def test_an_origin_must_be_on_the_list_if_there_is_one(origin: bytes | None, allowed: list[str], verdict: bool) -> None:
    assert is_allowed_origin(scope(origin=origin), allowed=allowed) is verdict
