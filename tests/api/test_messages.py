"""rooms/{room}/messages/ and rooms/{room}/messages/{id}/"""

from typing import Any
from uuid import UUID, uuid4

import pytest
from django.conf import settings

from tests.api.rest import Answer, Rest, refusal
from tests.people import Person
from tests.services.rooms import archive, say

pytestmark = pytest.mark.django_db


def send(person: Person, room: UUID, body: object, **headers: str) -> Answer:
    http_headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return Rest(person).post(f"rooms/{room}/messages/", body, headers=http_headers)


def texts(person: Person, room: UUID) -> list[str]:
    return [message["text"] for message in Rest(person).get(f"rooms/{room}/messages/").body["messages"]]


def test_it_works(alice: Person, bob: Person, room: UUID) -> None:
    answer = send(alice, room, {"text": "hi", "client_id": "c-1", "data": {"n": 1}})

    assert answer.status == 201
    assert answer.body == {"room": str(room), "id": 1, "seq": 3, "created_at": answer.body["created_at"]}
    message = Rest(bob).get(f"rooms/{room}/messages/1/")
    assert message.status == 200
    assert message.body == answer.body | {
        "sender": {"id": str(alice.id), "username": "alice", "display_name": "alice"},
        "text": "hi", "client_id": "c-1", "reply_to": None, "thread": None, "replies": 0, "last_reply_at": None,
        "mentions": [], "attachments": [], "data": {"n": 1}, "reactions": [], "pinned": False,
        "edited_at": None, "deleted_at": None,
    }  # fmt: skip


# -- sending ------------------------------------------------------------------------------------------------------


def test_it_sends_a_reply(alice: Person, room: UUID) -> None:
    say(alice, room, "one")

    assert send(alice, room, {"text": "two", "reply_to": 1}).status == 201
    assert Rest(alice).get(f"rooms/{room}/messages/2/").body["reply_to"] == 1
    assert refusal(send(alice, room, {"text": "three", "reply_to": 3})) == (400, "invalid", "reply_to")


def test_it_sends_data_without_a_text(alice: Person, room: UUID) -> None:
    assert send(alice, room, {"text": "", "data": {"poll": 1}}).status == 201
    assert refusal(send(alice, room, {"text": " \n"})) == (400, "invalid", "text")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "text"),
        ({"text": 5}, "text"),
        ({"text": "a\x00b"}, "text"),
        ({"text": "hi", "room": "x"}, "room"),
        ({"text": "hi", "client_id": ""}, "client_id"),
        ({"text": "hi", "client_id": "é"}, "client_id"),
        ({"text": "hi", "client_id": "c\n"}, "client_id"),
        ({"text": "hi", "client_id": "c" * 65}, "client_id"),
        ({"text": "hi", "client_id": 1}, "client_id"),
        ({"text": "hi", "reply_to": 0}, "reply_to"),
        ({"text": "hi", "reply_to": 10**30}, "reply_to"),
        ({"text": "hi", "data": [1]}, "data"),
        ({"text": "hi", "data": {"a": ["\x00"]}}, "data.a[0]"),
        ({"text": "hi", "data": {"a": 2**53}}, "data.a"),
    ],
)
def test_it_refuses_an_invalid_message(alice: Person, room: UUID, body: dict[str, Any], field: str) -> None:
    assert refusal(send(alice, room, body)) == (400, "invalid", field)
    assert texts(alice, room) == []


def test_it_limits_the_size_of_text_and_data(alice: Person, room: UUID) -> None:
    limits = settings.ROOMLOG_LIMITS

    assert send(alice, room, {"text": "👍" * limits.max_text_chars}).status == 201
    too_long = {"text": "x" * (limits.max_text_chars + 1)}
    assert refusal(send(alice, room, too_long)) == (413, "too_large", "text")
    too_large = {"text": "hi", "data": {"a": "x" * limits.max_data_bytes}}
    assert refusal(send(alice, room, too_large)) == (413, "too_large", "data")


def test_it_refuses_a_message_from_a_non_member(charlie: Person, room: UUID, public_room: UUID) -> None:
    assert refusal(send(charlie, public_room, {"text": "hi"}))[:2] == (403, "not_a_member")
    hidden, missing = send(charlie, room, {"text": "hi"}), send(charlie, uuid4(), {"text": "hi"})
    assert refusal(hidden)[:2] == refusal(missing)[:2] == (404, "not_found")
    assert hidden.body == missing.body


def test_it_refuses_a_message_to_an_archived_room(alice: Person, room: UUID) -> None:
    archive(alice, room)

    assert refusal(send(alice, room, {"text": "hi"})) == (403, "archived", None)


def test_it_refuses_a_message_from_a_muted_member(alice: Person, bob: Person, room: UUID) -> None:
    Rest(alice).patch(f"rooms/{room}/members/{bob.id}/", {"muted_until": "2999-01-01T00:00:00Z"})

    assert refusal(send(bob, room, {"text": "hi"})) == (403, "muted", None)


# -- client ids ---------------------------------------------------------------------------------------------------


def test_it_answers_a_retry_with_the_original_result(alice: Person, room: UUID) -> None:
    body = {"text": "hi", "client_id": "c-1"}
    first = send(alice, room, body)

    assert send(alice, room, body)[:2] == first[:2]
    assert refusal(send(alice, room, body | {"text": "ho"})) == (409, "client_id_reused", "client_id")
    assert texts(alice, room) == ["hi"]


def test_it_accepts_an_idempotency_key_as_the_client_id(alice: Person, room: UUID) -> None:
    answers = [
        send(alice, room, {"text": "hi"}, Idempotency_Key='"c-1"'),
        send(alice, room, {"text": "hi"}, Idempotency_Key="c-1"),
        send(alice, room, {"text": "hi"}, Idempotency_Key=' "c-1" '),
        send(alice, room, {"text": "hi", "client_id": "c-1"}),
        send(alice, room, {"text": "hi", "client_id": "c-1"}, Idempotency_Key='"c-1"'),
    ]

    assert [answer[:2] for answer in answers] == [answers[0][:2]] * 5
    assert answers[0].status == 201
    assert Rest(alice).get(f"rooms/{room}/messages/1/").body["client_id"] == "c-1"
    assert texts(alice, room) == ["hi"]


def test_it_refuses_an_idempotency_key_that_differs_from_the_client_id(alice: Person, room: UUID) -> None:
    answer = send(alice, room, {"text": "hi", "client_id": "c-1"}, Idempotency_Key='"c-2"')

    assert refusal(answer) == (400, "invalid", "client_id")
    assert texts(alice, room) == []


@pytest.mark.parametrize("key", ["", '""', "é", "c" * 65, '"' + "c" * 65 + '"'])
def test_it_refuses_an_invalid_idempotency_key(alice: Person, room: UUID, key: str) -> None:
    assert refusal(send(alice, room, {"text": "hi"}, Idempotency_Key=key)) == (400, "invalid", "client_id")
    assert send(alice, room, {"text": "hi"}, Idempotency_Key="c" * 64).status == 201


def test_it_hides_a_client_id_that_the_server_generated(alice: Person, room: UUID) -> None:
    for _ in range(2):
        assert send(alice, room, {"text": "hi"}).status == 201

    assert Rest(alice).get(f"rooms/{room}/messages/1/").body["client_id"] is None


# -- reading ------------------------------------------------------------------------------------------------------


def test_it_pages(alice: Person, bob: Person, room: UUID) -> None:
    say(alice, room, *"abcde")

    def page(query: str) -> tuple[str, bool, bool]:
        answer = Rest(bob).get(f"rooms/{room}/messages/?{query}")
        assert list(answer.body) == ["messages", "has_before", "has_after"]
        shown = "".join(message["text"] for message in answer.body["messages"])
        return shown, answer.body["has_before"], answer.body["has_after"]

    assert page("") == ("abcde", False, False)
    assert page("limit=2") == ("de", True, False)
    assert page("before=4&limit=2") == ("bc", True, True)
    assert page("after=2&limit=2") == ("cd", True, True)
    assert page("after=0&limit=2") == ("ab", False, True)
    assert page("around=3&limit=3") == ("bcd", True, True)


@pytest.mark.parametrize("name", ["before", "after", "around"])
@pytest.mark.parametrize("value", ["-1", "x", "", "1.5", "99999999999999999999999", "%00"])
def test_it_refuses_an_invalid_message_id_to_page_from(alice: Person, room: UUID, name: str, value: str) -> None:
    path = f"rooms/{room}/messages/"

    assert refusal(Rest(alice).get(f"{path}?{name}={value}")) == (400, "invalid", name)
    assert Rest(alice).get(f"{path}?{name}={2**53 - 1}").status == 200


def test_it_refuses_two_message_ids_to_page_from(alice: Person, room: UUID) -> None:
    for query in ("before=1&after=1", "after=1&around=1", "before=1&around=1"):
        assert refusal(Rest(alice).get(f"rooms/{room}/messages/?{query}")) == (400, "invalid", "before")


def test_it_refuses_to_show_messages_to_a_non_member(
    charlie: Person, alice: Person, room: UUID, public_room: UUID
) -> None:
    say(alice, room, "private")
    say(alice, public_room, "public")

    for path in ("messages/", "messages/1/"):
        assert refusal(Rest(charlie).get(f"rooms/{room}/{path}")) == (404, "not_found", None)
        assert refusal(Rest(charlie).get(f"rooms/{public_room}/{path}")) == (403, "not_a_member", None)


@pytest.mark.parametrize("message", [0, 2, 2**53, 2**63, 10**23 - 1])
def test_it_answers_not_found_for_a_missing_message(alice: Person, room: UUID, message: int) -> None:
    say(alice, room, "one")

    assert refusal(Rest(alice).get(f"rooms/{room}/messages/{message}/")) == (404, "not_found", None)
    assert Rest(alice).get(f"rooms/{room}/messages/1/").status == 200
