"""The bounds that are settings, and JSON that cannot be stored."""

from typing import Any

import pytest

from foundation.text import MAX_JSON_DEPTH
from messaging.wire.actions import Send
from messaging.wire.frames import decode
from messaging.wire.limits import Limits
from tests.unit.examples import ROOM
from tests.unit.wire import DEEP, LIMITS, MAX_INTEGER, ROOM_ID, frame, rejected, send

HUGE = "9" * 5_000


def nested(depth: int) -> dict[str, Any]:
    """Returns an empty object inside `depth` others."""
    data: dict[str, Any] = {}
    for _ in range(depth):
        data = {"k": data}
    return data


@pytest.mark.parametrize(
    "fields",
    [
        {"text": "é" * 4_000},
        {"client_id": "x" * 64},
        {"client_id": " ~"},
        {"data": {"k": "x" * (4096 - 8)}},
        {"data": nested(MAX_JSON_DEPTH)},
        {"data": {"n": [MAX_INTEGER, -MAX_INTEGER]}},
    ],
)
def test_it_accepts_values_at_their_bounds(fields: dict[str, Any]) -> None:
    action = decode(send(**fields), LIMITS)

    assert {name: getattr(action, name) for name in fields} == fields


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"text": "é" * 4_001}, "too_large", "text"),
        ({"client_id": "x" * 65}, "invalid", "client_id"),
        ({"data": {"k": "x" * (4096 - 7)}}, "too_large", "data"),
        ({"data": nested(MAX_JSON_DEPTH + 1)}, "invalid", "data"),
    ],
)
def test_it_refuses_values_just_beyond_their_bounds(fields: dict[str, Any], code: str, field: str) -> None:
    rejection = rejected(send(request_id=7, **fields))

    assert (rejection.error.code, rejection.error.field) == (code, field)
    assert (rejection.action, rejection.request_id) == ("send", 7)


def test_it_applies_the_limits_it_is_given() -> None:
    narrow = Limits(max_text_chars=2, max_client_id_chars=2, max_data_bytes=8, history_page_max=2)

    decode(send(text="hi", client_id="c1", data={"n": 10}), narrow)
    assert rejected(send(text="hi!"), narrow).error.status == 413
    assert rejected(send(client_id="c-1"), narrow).error.status == 400
    assert rejected(send(data={"n": 100}), narrow).error.status == 413
    assert rejected(frame("history", room=ROOM_ID, limit=3), narrow).error.field == "limit"


# -- JSON that cannot be stored -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(f'"data":{{"n":{HUGE}}}', id="huge integer in data"),
        pytest.param('"data":{"n":1e999}', id="huge number in data"),
        pytest.param('"data":{"n":NaN}', id="NaN in data"),
        pytest.param(f'"data":{{"n":{DEEP}{"]" * 30_000}}}', id="brackets in data"),
        pytest.param(f'"reply_to":{HUGE}', id="huge integer"),
        pytest.param(r'"data":{"k":"\ud800"}', id="high surrogate in data"),
        pytest.param(r'"data":{"k":"\udc00"}', id="low surrogate in data"),
        pytest.param(r'"data":{"\ud83d":1}', id="surrogate as key in data"),
        pytest.param(r'"client_id":"\ud800x"', id="surrogate in client_id"),
    ],
)
def test_it_refuses_json_that_other_readers_cannot_represent(data: str) -> None:
    error = rejected(f'{{"action":"send","room":"{ROOM}","text":"hi",{data}}}').error

    assert (error.code, error.status) == ("invalid", 400)


def test_it_accepts_surrogates_in_pairs() -> None:
    data = rf'{{"action":"send","room":"{ROOM}","text":"\ud83d\udc4d"}}'

    assert decode(data, LIMITS) == Send(room=ROOM, text="👍")
