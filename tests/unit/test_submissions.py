"""Submissions, and the digests that distinguish a retry from a reused client id."""

from typing import Any

import msgspec
import pytest

from messaging.append.submissions import shown_client_id, submission_of
from messaging.wire.actions import Send
from tests.unit.examples import ALICE, KEYS, OTHER_ROOM, ROOM, principal, submission


def test_it_works() -> None:
    action = Send(room=ROOM, text="hi", client_id="c-1", reply_to=3, data={"n": 1})

    result = submission_of(action, sender=principal(ALICE), secret_keys=KEYS)

    assert (result.room_id, result.sender_id, result.client_id) == (ROOM, ALICE.id, "c-1")
    assert (result.text, result.reply_to, result.data) == ("hi", 3, {"n": 1})
    assert (result.session_key, result.auth_version) == ("s-1", 1)
    assert [len(digest) for digest in result.digests] == [16, 16]


def test_it_gives_equal_content_the_same_digests_in_any_order_of_keys() -> None:
    first = msgspec.json.decode(b'{"a":1,"b":{"c":2,"d":3}}')
    second = msgspec.json.decode(b'{"b":{"d":3,"c":2},"a":1}')

    assert submission(data=first).digests == submission(data=second).digests


def test_it_leaves_the_room_and_the_client_id_out_of_the_digests() -> None:
    assert submission(client_id="c-1").digests == submission(client_id="c-2", room=OTHER_ROOM).digests


@pytest.mark.parametrize(
    "fields",
    [
        {"text": "ho"},
        {"text": "hi "},
        {"reply_to": 2},
        {"reply_to": None},
        {"data": {}},
        {"data": {"n": 2}},
        {"data": {"n": "1"}},
        {"data": {"n": [1]}},
    ],
)
def test_it_gives_other_content_other_digests(fields: dict[str, Any]) -> None:
    content: dict[str, Any] = {"text": "hi", "reply_to": 1, "data": {"n": 1}}

    assert not set(submission(**content).digests) & set(submission(**content | fields).digests)


def test_it_distinguishes_the_fields_in_the_digests() -> None:
    assert submission('x",null,{}]').digests != submission("x").digests
    assert submission("1").digests != submission("", data={"1": 1}).digests


def test_it_has_a_digest_for_each_secret_key_with_the_present_one_first() -> None:
    before, after = submission(secret_keys=("older key",)), submission(secret_keys=("present key", "older key"))

    assert after.digests[0] != before.digests[0]
    assert before.digests[0] in after.digests


def test_it_has_no_digest_for_a_removed_secret_key() -> None:
    assert submission(secret_keys=("gone",)).digests[0] not in submission().digests


def test_it_generates_a_hidden_client_id_if_none_is_given() -> None:
    first, second = submission(), submission()

    assert first.client_id != second.client_id
    assert shown_client_id(first.client_id) is None
    assert shown_client_id("c-1") == "c-1"


def test_it_generates_client_ids_that_no_client_may_send() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"action": "send", "room": str(ROOM), "text": "hi", "client_id": submission().client_id}, Send)
