"""Frames from clients: how `decode` and `peek` read them, and how they are refused."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messaging.wire.actions import Send
from messaging.wire.frames import Rejected, decode, encode_refusal, encode_reply, peek
from messaging.wire.registry import ACTIONS
from tests.unit.examples import ROOM
from tests.unit.wire import DEEP, LIMITS, MAX_INTEGER, ROOM_ID, frame, rejected, send


def test_it_works() -> None:
    data = b'{"action":"send","request_id":"7","room":"01990000-0000-7000-8000-000000000001","text":"hi"}'

    action = decode(data, LIMITS)

    assert action == Send(request_id="7", room=ROOM, text="hi")
    assert action.name() == "send"


# -- refused frames -----------------------------------------------------------------------------------------------

UNREADABLE = {
    "half an object": "{",
    "array": "[]",
    "string": '"x"',
    "null": "null",
    "number": "7",
    "nothing": "",
    "space": " \n",
    "binary": b"\x80\x81\xfe\xff\x00",
    "NUL": b"\x00",
    "byte order mark": b'\xef\xbb\xbf{"action":"ping"}',
    "UTF-16": '{"action":"ping"}'.encode("utf-16"),
    "bad UTF-8": b'{"action":"ping","request_id":"\xff"}',
    "surrogate as UTF-8": b'{"action":"ping","request_id":"\xed\xa0\x80"}',
    "surrogate as text": '{"action":"ping","request_id":"\ud800"}',
    "two frames": '{"action":"ping"}{"action":"ping"}',
    "single quotes": "{'action':'ping'}",
    "empty object": "{}",
    "array as action": '{"action": []}',
    "object as action": '{"action": {"action": "ping"}}',
    "number as action": '{"action": 5}',
    "null as action": '{"action": null}',
    "array of actions": '[{"action":"ping"}]',
    "brackets": DEEP,
    "braces": '{"a":' * 30_000,
    "closed brackets": f'{{"action":"ping","x":{DEEP}{"]" * 30_000}}}',
    "NaN": '{"action":"ping","request_id":NaN}',
    "infinity": '{"action":"ping","request_id":-Infinity}',
    "high surrogate": r'{"action":"ping","request_id":"\ud800"}',
    "low surrogate": r'{"action":"ping","request_id":"\udc00"}',
    "surrogates the wrong way round": r'{"action":"ping","request_id":"\udc00\ud800"}',
    "surrogate as action": r'{"action":"\ud800"}',
    "surrogate as key": r'{"action":"ping","\ud800":1}',
}


@pytest.mark.parametrize("data", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_it_refuses_an_unreadable_frame(data: str | bytes) -> None:
    rejection = rejected(data)

    assert (rejection.error.code, rejection.error.status) == ("invalid", 400)
    assert (rejection.action, rejection.request_id) == (None, None)


@pytest.mark.parametrize("name", ["nope", "", "Send", "send ", "__init__", "x" * 60_000, "é\x00"])
def test_it_refuses_an_unknown_action(name: str) -> None:
    rejection = rejected(frame(name, request_id="7"))

    assert (rejection.error.code, rejection.error.status, rejection.error.field) == ("unknown_action", 400, "action")
    assert rejection.error.detail == f"There is no such action. The actions are: {', '.join(sorted(ACTIONS))}."
    assert (rejection.action, rejection.request_id) == (None, "7")


@pytest.mark.parametrize("key", ["self", "scope", "consumer", "frame", "action_", "kwargs", "pk", "", "a.b", "é"])
@pytest.mark.parametrize("data", [frame("ping"), send()], ids=["ping", "send"])
def test_it_refuses_an_unknown_key(data: str, key: str) -> None:
    content = json.loads(data)

    rejection = rejected(json.dumps({**content, "request_id": 7, key: 1}))

    assert (rejection.error.code, rejection.error.field) == ("invalid", key or None)
    assert (rejection.action, rejection.request_id) == (content["action"], 7)


# -- request ids --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("request_id", ["7", "", "é" * 128, "a\n", "\x00", "\u200d", 0, MAX_INTEGER, -MAX_INTEGER])
def test_it_echoes_the_request_id_of_a_refused_frame(request_id: str | int) -> None:
    assert rejected(frame("nope", request_id=request_id)).request_id == request_id
    assert rejected(frame("send", request_id=request_id)).request_id == request_id
    assert peek(frame("ping", request_id=request_id)) == ("ping", request_id)


@pytest.mark.parametrize(
    "request_id", ["x" * 129, MAX_INTEGER + 1, -MAX_INTEGER - 1, 10**30, 1.5, True, None, [], {"a": 1}]
)
def test_it_does_not_echo_a_request_id_out_of_bounds(request_id: object) -> None:
    assert rejected(frame("nope", request_id=request_id)).request_id is None
    assert peek(frame("ping", request_id=request_id)) == ("ping", None)


@pytest.mark.parametrize("request_id", ["x" * 129, MAX_INTEGER + 1, -MAX_INTEGER - 1, 1.5, True, [], {"a": 1}])
def test_it_refuses_a_request_id_out_of_bounds(request_id: object) -> None:
    error = rejected(frame("ping", request_id=request_id)).error

    assert (error.code, error.field) == ("invalid", "request_id")


@pytest.mark.parametrize("data", ["{", "[]", "null", "", b"\xff", DEEP, '{"action":[]}'])
def test_it_peeks_nothing_in_an_unreadable_frame(data: str | bytes) -> None:
    assert peek(data) == (None, None)


def test_it_does_not_peek_an_unknown_action() -> None:
    assert peek(frame("nope", request_id=7)) == (None, 7)


# -- generated frames ---------------------------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=3,
)
json_frames = st.dictionaries(
    st.sampled_from(["action", "request_id", "room", "text", "data", "id", "limit", "client_id", "self"]),
    st.sampled_from([*sorted(ACTIONS), ROOM_ID, "hi", 1]) | json_values,
    max_size=5,
)


def check_is_answered(data: str | bytes) -> None:
    """Asserts that `data` is either decoded as an action or refused, and that the reply can be encoded."""
    try:
        action = decode(data, LIMITS)
    except Rejected as rejection:
        answer = encode_refusal(rejection.action, rejection.request_id, rejection.error)
        assert msgspec.json.decode(answer)["errors"][0]["code"] in {"invalid", "unknown_action", "too_large"}
    else:
        assert action.name() in ACTIONS
        encode_reply(action.name(), action.request_id, 200, None, [])
    peek(data)


@settings(deadline=None, max_examples=50)
@given(st.binary(max_size=64))
def test_it_answers_any_bytes(data: bytes) -> None:
    check_is_answered(data)


@settings(deadline=None, max_examples=50)
@given(st.text(st.characters(), max_size=64))
def test_it_answers_any_text(data: str) -> None:
    check_is_answered(data)


@settings(deadline=None, max_examples=50)
@given(json_frames)
def test_it_answers_any_json(content: dict[str, object]) -> None:
    check_is_answered(json.dumps(content))
    check_is_answered(json.dumps(content, ensure_ascii=False))
