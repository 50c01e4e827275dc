"""Errors that every endpoint can answer with, as `application/problem+json`."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from django.conf import settings
from pytest_django import Settings

from accounts.models import User
from accounts.sessions import SessionStore
from tests.api.rest import Answer, Rest, refusal
from tests.people import Person

pytestmark = pytest.mark.django_db

NEW_ROOM = {"name": "Tea", "kind": "public"}


def test_it_works(alice: Person) -> None:
    answer = Rest(alice).get("rooms/nowhere/")

    assert answer.status == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.body == {
        "type": "urn:roomlog:error:not_found",
        "title": "Not Found",
        "status": 404,
        "detail": "No resource exists at this address.",
        "code": "not_found",
        "errors": [{"code": "not_found", "field": None, "detail": "No resource exists at this address."}],
        "retry_after": None,
    }


def test_no_answer_is_cached(alice: Person) -> None:
    assert Rest(alice).get("users/me/").headers["Cache-Control"] == "no-store"
    assert Rest().get("users/me/").headers["Cache-Control"] == "no-store"


# -- 400: the body ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body", [b"", b"{", b"nonsense", b"\xff\xfe", b'{"name": "\xff", "kind": "public"}', b"[]", b"null", b'"x"', b"1"]
)
def test_it_refuses_a_body_that_is_not_a_json_object(alice: Person, body: bytes) -> None:
    assert refusal(Rest(alice).post("rooms/", body)) == (400, "invalid", None)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"colour": "red"}, "colour"),
        ({"name": 5}, "name"),
        ({"name": None}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"kind": "direct"}, "kind"),
        ({"topic": "x" * 501}, "topic"),
        ({"data": []}, "data"),
        ({"avatar_url": "javascript:alert(1)"}, "avatar_url"),
        ({"avatar_url": "https://exa mple"}, "avatar_url"),
        ({"members": ["nobody"]}, "members[0]"),
        ({"members": [str(uuid4())] * 101}, "members"),
    ],
)
def test_it_reports_the_invalid_field(alice: Person, change: dict[str, Any], field: str) -> None:
    assert refusal(Rest(alice).post("rooms/", NEW_ROOM | change)) == (400, "invalid", field)


def test_it_reports_the_missing_field(alice: Person) -> None:
    assert refusal(Rest(alice).post("rooms/", {"name": "Tea"})) == (400, "invalid", "kind")


@pytest.mark.parametrize(
    "text", ["\x00", "a\x00b", "\x07", "line\nbreak", "end\n", "\u202etxt.exe", "\u2066", "\u200f", "\u061c"]
)
@pytest.mark.parametrize("field", ["name", "topic"])
def test_it_refuses_control_characters_in_names(alice: Person, field: str, text: str) -> None:
    assert refusal(Rest(alice).post("rooms/", NEW_ROOM | {field: text})) == (400, "invalid", field)
    assert Rest(alice).post("rooms/", NEW_ROOM | {field: "Ünï 👩‍👩‍👧 茶"}).status == 201


@pytest.mark.parametrize("text", [b"\\ud800", b"\\udc00\\ud800", b"\\u0000"])
def test_it_refuses_text_that_cannot_be_stored(alice: Person, text: bytes) -> None:
    for body in (
        b'{"name": "' + text + b'", "kind": "public"}',
        b'{"name": "x", "kind": "public", "data": {"a": ["' + text + b'"]}}',
        b'{"name": "x", "kind": "public", "data": {"' + text + b'": 1}}',
    ):
        assert refusal(Rest(alice).post("rooms/", body))[:2] == (400, "invalid")


@pytest.mark.parametrize(("depth", "status"), [(20, 201), (40, 400)])
def test_it_refuses_data_that_is_nested_too_deeply(alice: Person, depth: int, status: int) -> None:
    data: dict[str, Any] = {}
    for _ in range(depth):
        data = {"a": data}

    assert Rest(alice).post("rooms/", NEW_ROOM | {"data": data}).status == status


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_it_refuses_thousands_of_nested_values(alice: Person, opening: bytes, closing: bytes) -> None:
    deep = opening * 10_000 + b"1" + closing * 10_000
    for body in (deep, b'{"name": "x", "kind": "public", "data": {"a": ' + deep + b"}}", opening * 12_000):
        assert refusal(Rest(alice).post("rooms/", body))[:2] == (400, "invalid")


def test_it_refuses_an_array_that_is_nested_too_deeply(alice: Person) -> None:
    assert refusal(Rest(alice).post("rooms/", b"[" * 30_000 + b"]" * 30_000))[:2] == (400, "invalid")


@pytest.mark.parametrize("number", [2**53, -(2**53), 2**63, 2**64, 10**30])
def test_it_refuses_integers_that_not_every_parser_reads(alice: Person, number: int) -> None:
    for data in ({"n": number}, {"n": [{"m": number}]}):
        assert refusal(Rest(alice).post("rooms/", NEW_ROOM | {"data": data}))[:2] == (400, "invalid")

    sign = 1 if number > 0 else -1
    assert Rest(alice).post("rooms/", NEW_ROOM | {"data": {"n": sign * (2**53 - 1)}}).status == 201


def test_it_refuses_numbers_that_json_does_not_have(alice: Person) -> None:
    for number in (b"NaN", b"Infinity", b"1e999"):
        body = b'{"name": "x", "kind": "public", "data": {"n": ' + number + b"}}"
        assert refusal(Rest(alice).post("rooms/", body))[:2] == (400, "invalid")


# -- 401 ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Bearer nonsense", "Bearer é", "Basic YTpi", "Token x"]
)
@pytest.mark.parametrize("path", ["users/me/", "rooms/", f"rooms/{uuid4()}/messages/"])
def test_it_requires_a_token(path: str, header: str | None, db: None) -> None:
    answer = Rest().ask("GET", path, headers={} if header is None else {"Authorization": header})

    assert refusal(answer) == (401, "unauthenticated", None)
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="roomlog"'


def test_it_accepts_the_scheme_in_any_case(alice: Person) -> None:
    assert Rest().get("users/me/", Authorization=f"bearer {alice.token}").status == 200


def test_it_ignores_cookies_and_tokens_in_the_query(alice: Person) -> None:
    assert Rest().get("users/me/", Cookie=f"sessionid={alice.session_key}").status == 401
    assert Rest().get(f"users/me/?access_token={alice.token}").status == 401


def test_it_refuses_a_session_that_has_ended(alice: Person, bob: Person) -> None:
    SessionStore(alice.session_key).delete()
    User.objects.filter(id=bob.id).update(is_active=False)

    assert refusal(Rest(alice).get("users/me/"))[:2] == (401, "unauthenticated")
    assert refusal(Rest(bob).get("users/me/"))[:2] == (401, "unauthenticated")


# -- 404, 405, 406, 413, 415 --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere", "/api/", "/api/v1/", "/api/v2/rooms/", "rooms", "users/me", "rooms/nowhere/", "users/nobody/",
        f"rooms/{uuid4()}/members/nobody/", f"rooms/{uuid4()}/messages/-1/", f"rooms/{uuid4()}/messages/one/",
    ],
)  # fmt: skip
def test_it_answers_404_at_an_unknown_address(alice: Person, path: str) -> None:
    assert refusal(Rest(alice).get(path)) == (404, "not_found", None)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "users/me/", {"GET", "PATCH"}),
        ("POST", "users/", {"GET"}),
        ("PUT", "rooms/", {"GET", "POST"}),
        ("GET", f"rooms/{uuid4()}/join/", {"POST"}),
        ("GET", f"rooms/{uuid4()}/leave/", {"POST"}),
        ("POST", f"rooms/{uuid4()}/read/", {"PUT"}),
        ("BREW", "rooms/", {"GET", "POST"}),
    ],
)
def test_it_lists_the_allowed_methods(alice: Person, method: str, path: str, allowed: set[str]) -> None:
    answer = Rest(alice).ask(method, path)

    assert refusal(answer) == (405, "method_not_allowed", None)
    assert allowed <= set(answer.headers["Allow"].split(", ")) <= allowed | {"HEAD"}


@pytest.mark.parametrize("path", ["users/me/", "rooms/"])
def test_it_answers_head(alice: Person, path: str) -> None:
    assert Rest(alice).ask("HEAD", path).status == 200


def test_it_refuses_options(alice: Person) -> None:
    answer = Rest(alice).ask("OPTIONS", "rooms/")

    assert refusal(answer) == (405, "method_not_allowed", None)
    assert answer.headers["Allow"] == "GET, POST, HEAD"


def test_it_answers_the_preflight_of_another_origin(alice: Person, settings: Settings) -> None:
    """Without a token, because browsers send none with a preflight."""
    settings.CORS_ALLOWED_ORIGINS = ["https://chat.example"]
    asked = {"Origin": "https://chat.example", "Access-Control-Request-Method": "PATCH"}

    answer = Rest().ask("OPTIONS", "users/me/", headers=asked)

    assert (answer.status, answer.body) == (200, None)
    assert answer.headers["access-control-allow-origin"] == "https://chat.example"
    assert "PATCH" in answer.headers["access-control-allow-methods"]
    assert "authorization" in answer.headers["access-control-allow-headers"]


def test_it_answers_only_in_json(alice: Person) -> None:
    assert refusal(Rest(alice).get("users/me/", Accept="text/html")) == (406, "not_acceptable", None)
    for accepted in ("application/json", "*/*", "application/*", "text/html, application/json;q=0.5"):
        assert Rest(alice).get("users/me/", Accept=accepted).status == 200


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "nonsense"]
)
def test_it_reads_only_json(alice: Person, content_type: str) -> None:
    answer = Rest(alice).post("rooms/", NEW_ROOM, headers={"Content-Type": content_type})

    assert refusal(answer) == (415, "unsupported_media_type", None)


def test_it_reads_json_with_a_charset(alice: Person) -> None:
    headers = {"Content-Type": "application/json; charset=utf-8"}

    assert Rest(alice).post("rooms/", NEW_ROOM, headers=headers).status == 201


def test_it_refuses_bodies_larger_than_a_frame(alice: Person) -> None:
    largest = settings.ROOMLOG_LIMITS.max_frame_bytes

    def padded(size: int) -> Answer:
        return Rest(alice).post("rooms/", b'{"name": "x", "kind": "public"}'.ljust(size))

    assert refusal(padded(largest + 1)) == (413, "too_large", None)
    assert padded(largest).status == 201


def test_it_refuses_custom_data_that_is_too_large(alice: Person) -> None:
    largest = settings.ROOMLOG_LIMITS.max_data_bytes - len('{"a":""}')

    assert Rest(alice).post("rooms/", NEW_ROOM | {"data": {"a": "x" * largest}}).status == 201
    answer = Rest(alice).post("rooms/", NEW_ROOM | {"data": {"a": "x" * (largest + 1)}})
    assert refusal(answer) == (413, "too_large", "data")


# -- 400: the query -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    ["users/", "rooms/", "rooms/public/", "rooms/{room}/members/", "rooms/{room}/messages/", "rooms/{room}/log/"],
)
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=-1", "limit"),
        ("limit=101", "limit"),
        ("limit=99999999999999999999999", "limit"),
        ("limit=many", "limit"),
        ("limit=", "limit"),
        ("limit=1&limit=2", "limit"),
        ("offset=3", "offset"),
    ],
)
def test_it_limits_every_page(alice: Person, room: UUID, path: str, query: str, field: str) -> None:
    place = path.format(room=room)

    assert refusal(Rest(alice).get(f"{place}?{query}")) == (400, "invalid", field)
    assert Rest(alice).get(f"{place}?limit=1").status == Rest(alice).get(f"{place}?limit=100").status == 200


@pytest.mark.parametrize("path", ["rooms/", "rooms/public/", "rooms/{room}/members/"])
def test_it_pages_by_ids(alice: Person, room: UUID, path: str) -> None:
    place, key = path.format(room=room), uuid4()

    for name in ("before", "after"):
        assert Rest(alice).get(f"{place}?{name}={key}").status == 200
        for nonsense in ("", "1", "nobody", "%00", "99999999999999999999999"):
            assert refusal(Rest(alice).get(f"{place}?{name}={nonsense}")) == (400, "invalid", name)
    assert refusal(Rest(alice).get(f"{place}?before={key}&after={key}")) == (400, "invalid", "before")


@pytest.mark.parametrize("path", ["users/", "rooms/public/"])
def test_it_limits_search_terms(alice: Person, path: str) -> None:
    for nonsense in ("%00", "a%00b", "x" * 101):
        assert refusal(Rest(alice).get(f"{path}?search={nonsense}")) == (400, "invalid", "search")
    for unusual in ("%FF", "%ED%A0%80", "%25", "_", "%5C", "%E8%8C%B6"):
        assert Rest(alice).get(f"{path}?search={unusual}").status == 200


# -- 400: unexpected input ------------------------------------------------------------------------------------------


def test_it_refuses_unknown_query_parameters(alice: Person, room: UUID) -> None:
    for answer in (
        Rest(alice).get(f"rooms/{room}/?x=1"),
        Rest(alice).get("users/me/?x=1"),
        Rest(alice).post("rooms/?x=1", NEW_ROOM),
        Rest(alice).get("rooms/?x=1"),
    ):
        assert refusal(answer) == (400, "invalid", "x")


def test_it_refuses_too_many_query_parameters(alice: Person) -> None:
    assert refusal(Rest(alice).get("rooms/?" + "&".join(["a"] * 1_001))) == (400, "invalid", None)


@pytest.mark.parametrize("name", ["before", "after"])
def test_it_refuses_null_in_the_query(alice: Person, room: UUID, name: str) -> None:
    assert refusal(Rest(alice).get(f"rooms/?{name}=null")) == (400, "invalid", name)
    assert refusal(Rest(alice).get(f"rooms/{room}/messages/?{name}=null")) == (400, "invalid", name)


def test_it_refuses_an_unexpected_body(bob: Person, room: UUID) -> None:
    assert refusal(Rest(bob).post(f"rooms/{room}/leave/", {"forget": False})) == (400, "invalid", None)
    assert Rest(bob).post(f"rooms/{room}/leave/", {}).status == 204


def test_it_accepts_ids_in_either_case(alice: Person, room: UUID) -> None:
    assert Rest(alice).get(f"rooms/{str(room).upper()}/").body["id"] == str(room)
