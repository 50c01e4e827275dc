"""Frames: what is read as which action, what is refused and how, and the bytes of every answer."""

import json
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation.errors import Overloaded
from foundation.text import MAX_JSON_DEPTH
from messaging.wire import actions, closes
from messaging.wire.actions import ACTIONS, Action, History, Join, Leave, Ping, Read, Send, Sync
from messaging.wire.frames import (
    Rejected,
    decode,
    encode_draining,
    encode_hello,
    encode_refusal,
    encode_reply,
    encode_session_revoked,
    peek,
)
from messaging.wire.limits import ANNOUNCED, Limits
from messaging.wire.shapes import Sent, Synced, SyncedRooms, error_of
from rooms.errors import NotAMember
from rooms.schema import Head
from tests.unit.examples import ALICE, OTHER_ROOM, ROOM

LIMITS = Limits()
MOST = 2**53 - 1


def frame(action: str, **fields: Any) -> str:
    return json.dumps({"action": action, **fields})


def send(**fields: Any) -> str:
    return frame("send", **{"room": str(ROOM), "text": "hi", **fields})


def rejected(data: str | bytes, limits: Limits = LIMITS) -> Rejected:
    """How `data` is refused; that it can be told is part of it."""
    with pytest.raises(Rejected) as refusal:
        decode(data, limits)
    rejection = refusal.value
    msgspec.json.decode(encode_refusal(rejection.action, rejection.request_id, rejection.error))
    return rejection


def test_it_works() -> None:
    data = b'{"action":"send","request_id":"7","room":"01990000-0000-7000-8000-000000000001","text":"hi"}'

    action = decode(data, LIMITS)

    assert action == Send(request_id="7", room=ROOM, text="hi")
    assert action.name() == "send"


# -- actions ------------------------------------------------------------------------------------------------------

ROOM_ID, OTHER_ID = str(ROOM), str(OTHER_ROOM)
GOLDEN: list[tuple[str, Action]] = [
    (frame("join", room=ROOM_ID), Join(room=ROOM)),
    (
        frame("join", room=ROOM_ID, after=0, max_replay=100_000, epoch=ROOM_ID, history=100),
        Join(room=ROOM, after=0, max_replay=100_000, epoch=ROOM, history=100),
    ),
    (frame("join", room=ROOM_ID, after=None, history=None), Join(room=ROOM, max_replay=1_000)),
    (frame("sync", rooms={ROOM_ID: 7, OTHER_ID: None}), Sync(rooms={ROOM: 7, OTHER_ROOM: None})),
    (frame("sync", rooms={}, max_replay=0, epoch=ROOM_ID), Sync(rooms={}, max_replay=0, epoch=ROOM)),
    (frame("leave", room=ROOM_ID), Leave(room=ROOM, forget=False)),
    (frame("leave", room=ROOM_ID, forget=True), Leave(room=ROOM, forget=True)),
    (
        send(client_id="c-1", reply_to=4, data={"n": [1, {"k": None}]}),
        Send(room=ROOM, text="hi", client_id="c-1", reply_to=4, data={"n": [1, {"k": None}]}),
    ),
    (send(client_id=None, reply_to=None), Send(room=ROOM, text="hi")),
    (send(text="", data={"n": 1}), Send(room=ROOM, text="", data={"n": 1})),
    (frame("history", room=ROOM_ID), History(room=ROOM, limit=50)),
    (frame("history", room=ROOM_ID, before=9, limit=100), History(room=ROOM, before=9, limit=100)),
    (frame("history", room=ROOM_ID, after=0), History(room=ROOM, after=0)),
    (frame("history", room=ROOM_ID, around=MOST), History(room=ROOM, around=MOST)),
    (frame("read", room=ROOM_ID, id=0), Read(room=ROOM, id=0)),
    (frame("read", room=ROOM_ID, id=9, unread=True), Read(room=ROOM, id=9, unread=True)),
    (frame("ping"), Ping()),
]


@pytest.mark.parametrize(("data", "action"), GOLDEN, ids=[data for data, _ in GOLDEN])
@pytest.mark.parametrize("as_bytes", [False, True])
def test_it_reads_every_action(data: str, action: Action, as_bytes: bool) -> None:
    read = decode(data.encode() if as_bytes else data, LIMITS)

    assert read == action
    assert type(read) is type(action)


def test_it_has_an_example_of_every_action() -> None:
    assert {action.name() for _, action in GOLDEN} == set(ACTIONS)


@pytest.mark.parametrize("request_id", ["7", "", "é" * 128, "a\n", "\x00", "\u200d", 0, MOST, -MOST])
def test_it_reads_the_request_id(request_id: str | int) -> None:
    assert decode(frame("ping", request_id=request_id), LIMITS).request_id == request_id


# -- what is no action --------------------------------------------------------------------------------------------

DEEP = "[" * 30_000
HUGE = "9" * 5_000
NOT_READ = {
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


@pytest.mark.parametrize("data", NOT_READ.values(), ids=NOT_READ.keys())
def test_it_refuses_what_cannot_be_read(data: str | bytes) -> None:
    rejection = rejected(data)

    assert (rejection.error.code, rejection.error.status) == ("invalid", 400)
    assert (rejection.action, rejection.request_id) == (None, None)


@pytest.mark.parametrize("name", ["nope", "", "Send", "send ", "__init__", "x" * 60_000, "é\x00"])
def test_it_refuses_an_action_that_there_is_not(name: str) -> None:
    rejection = rejected(frame(name, request_id="7"))

    assert (rejection.error.code, rejection.error.status, rejection.error.field) == ("unknown_action", 400, "action")
    assert rejection.error.detail == f"There is no such action. The actions are: {', '.join(sorted(ACTIONS))}."
    assert (rejection.action, rejection.request_id) == (None, "7")


@pytest.mark.parametrize("key", ["self", "scope", "consumer", "frame", "action_", "kwargs", "pk", "", "a.b", "é"])
@pytest.mark.parametrize("data", [frame("ping"), send()], ids=["ping", "send"])
def test_it_refuses_keys_it_does_not_know(data: str, key: str) -> None:
    content = json.loads(data)

    rejection = rejected(json.dumps({**content, "request_id": 7, key: 1}))

    assert (rejection.error.code, rejection.error.field) == ("invalid", key or None)
    assert (rejection.action, rejection.request_id) == (content["action"], 7)


BAD_FIELDS: list[tuple[str, str]] = [
    (frame("send", text="hi"), "room"),
    (frame("send", room=ROOM_ID), "text"),
    (frame("join"), "room"),
    (frame("leave"), "room"),
    (frame("history"), "room"),
    (frame("read", room=ROOM_ID), "id"),
    (frame("join", room="x"), "room"),
    (frame("join", room=5), "room"),
    (frame("join", room=None), "room"),
    (frame("join", room=ROOM_ID, after=-1), "after"),
    (frame("join", room=ROOM_ID, after=MOST + 1), "after"),
    (frame("join", room=ROOM_ID, max_replay=100_001), "max_replay"),
    (frame("join", room=ROOM_ID, max_replay=None), "max_replay"),
    (frame("join", room=ROOM_ID, epoch="x"), "epoch"),
    (frame("join", room=ROOM_ID, history=101), "history"),
    (frame("sync"), "rooms"),
    (frame("sync", rooms=[ROOM_ID]), "rooms"),
    (frame("sync", rooms={ROOM_ID: -1}), "rooms"),
    (frame("sync", rooms={ROOM_ID: "1"}), "rooms"),
    (frame("sync", rooms={str(UUID(int=place)): None for place in range(1_001)}), "rooms"),
    (frame("sync", rooms={}, max_replay=-1), "max_replay"),
    (frame("leave", room=ROOM_ID, forget=1), "forget"),
    (send(text=None), "text"),
    (send(text=5), "text"),
    (send(text=["hi"]), "text"),
    (send(text=""), "text"),
    (send(text=" \n\t"), "text"),
    (send(text="a\x00b"), "text"),
    (send(client_id=""), "client_id"),
    (send(client_id=5), "client_id"),
    (send(client_id="é"), "client_id"),
    (send(client_id="a\x00"), "client_id"),
    (send(client_id="a\x7f"), "client_id"),
    (send(client_id="a\nb"), "client_id"),
    (send(client_id="a\n"), "client_id"),
    (send(client_id="x" * 65), "client_id"),
    (send(reply_to=0), "reply_to"),
    (send(reply_to=-1), "reply_to"),
    (send(reply_to=1.5), "reply_to"),
    (send(reply_to="1"), "reply_to"),
    (send(reply_to=True), "reply_to"),
    (send(reply_to=MOST + 1), "reply_to"),
    (send(data=None), "data"),
    (send(data=[]), "data"),
    (send(data={"k": "a\x00"}), "data.k"),
    (send(data={"k": [{"l": ["\x00"]}]}), "data.k[0].l[0]"),
    (send(data={"a\x00": 1}), "data"),
    (send(data={"n": MOST + 1}), "data.n"),
    (send(data={"n": [0, -MOST - 1]}), "data.n[1]"),
    (send(data={"n": 2**64}), "data.n"),
    (frame("history", room=ROOM_ID, before=0), "before"),
    (frame("history", room=ROOM_ID, after=-1), "after"),
    (frame("history", room=ROOM_ID, around=0), "around"),
    (frame("history", room=ROOM_ID, before=1, after=2), "before"),
    (frame("history", room=ROOM_ID, after=1, around=2), "before"),
    (frame("history", room=ROOM_ID, limit=0), "limit"),
    (frame("history", room=ROOM_ID, limit=101), "limit"),
    (frame("history", room=ROOM_ID, limit=10**30), "limit"),
    (frame("read", room=ROOM_ID, id=-1), "id"),
    (frame("read", room=ROOM_ID, id=MOST + 1), "id"),
    (frame("read", room=ROOM_ID, id=1, unread="yes"), "unread"),
]


@pytest.mark.parametrize(("data", "field"), BAD_FIELDS, ids=[data[:90] for data, _ in BAD_FIELDS])
def test_it_refuses_a_bad_field_by_its_path(data: str, field: str) -> None:
    rejection = rejected(data.replace("{", '{"request_id": "7", ', 1))

    assert (rejection.error.code, rejection.error.status, rejection.error.field) == ("invalid", 400, field)
    assert (rejection.action, rejection.request_id) == (json.loads(data)["action"], "7")


def test_it_refuses_a_bad_key_by_its_path() -> None:
    error = rejected(frame("sync", rooms={"x": 1})).error

    assert (error.detail, error.field) == ("Invalid UUID.", "rooms")


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
def test_it_refuses_what_no_reader_would_hold(data: str) -> None:
    error = rejected(f'{{"action":"send","room":"{ROOM}","text":"hi",{data}}}').error

    assert (error.code, error.status) == ("invalid", 400)


def test_it_takes_surrogates_in_pairs() -> None:
    data = rf'{{"action":"send","room":"{ROOM}","text":"\ud83d\udc4d"}}'

    assert decode(data, LIMITS) == Send(room=ROOM, text="👍")


# -- bounds that are settings -------------------------------------------------------------------------------------


def nested(depth: int) -> dict[str, Any]:
    """Custom JSON with so many levels, its own included."""
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
        {"data": {"n": [MOST, -MOST]}},
    ],
)
def test_it_takes_what_is_just_within_bounds(fields: dict[str, Any]) -> None:
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
def test_it_refuses_what_is_just_beyond(fields: dict[str, Any], code: str, field: str) -> None:
    rejection = rejected(send(request_id=7, **fields))

    assert (rejection.error.code, rejection.error.field) == (code, field)
    assert (rejection.action, rejection.request_id) == ("send", 7)


def test_it_keeps_to_the_bounds_it_is_given() -> None:
    narrow = Limits(max_text_chars=2, max_client_id_chars=2, max_data_bytes=8, history_page_max=2)

    decode(send(text="hi", client_id="c1", data={"n": 10}), narrow)
    assert rejected(send(text="hi!"), narrow).error.status == 413
    assert rejected(send(client_id="c-1"), narrow).error.status == 400
    assert rejected(send(data={"n": 100}), narrow).error.status == 413
    assert rejected(frame("history", room=ROOM_ID, limit=3), narrow).error.field == "limit"


# -- request ids --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("request_id", ["7", "", "é" * 128, "a\n", "\x00", "\u200d", 0, MOST, -MOST])
def test_it_echoes_the_request_id_of_what_it_refuses(request_id: str | int) -> None:
    assert rejected(frame("nope", request_id=request_id)).request_id == request_id
    assert rejected(frame("send", request_id=request_id)).request_id == request_id
    assert peek(frame("ping", request_id=request_id)) == ("ping", request_id)


@pytest.mark.parametrize("request_id", ["x" * 129, MOST + 1, -MOST - 1, 10**30, 1.5, True, None, [], {"a": 1}])
def test_it_does_not_echo_a_request_id_out_of_bounds(request_id: object) -> None:
    assert rejected(frame("nope", request_id=request_id)).request_id is None
    assert peek(frame("ping", request_id=request_id)) == ("ping", None)


@pytest.mark.parametrize("request_id", ["x" * 129, MOST + 1, -MOST - 1, 1.5, True, [], {"a": 1}])
def test_it_refuses_a_request_id_out_of_bounds(request_id: object) -> None:
    error = rejected(frame("ping", request_id=request_id)).error

    assert (error.code, error.field) == ("invalid", "request_id")


@pytest.mark.parametrize("data", ["{", "[]", "null", "", b"\xff", DEEP, '{"action":[]}'])
def test_it_peeks_at_what_cannot_be_read(data: str | bytes) -> None:
    assert peek(data) == (None, None)


def test_it_peeks_at_no_action_that_there_is_not() -> None:
    assert peek(frame("nope", request_id=7)) == (None, 7)


# -- whatever comes -----------------------------------------------------------------------------------------------

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


def check(data: str | bytes) -> None:
    """There is an action or an answer, and nothing else."""
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
def test_it_answers_whatever_bytes_come(data: bytes) -> None:
    check(data)


@settings(deadline=None, max_examples=50)
@given(st.text(st.characters(), max_size=64))
def test_it_answers_whatever_text_comes(data: str) -> None:
    check(data)


@settings(deadline=None, max_examples=50)
@given(json_frames)
def test_it_answers_whatever_json_comes(content: dict[str, object]) -> None:
    check(json.dumps(content))
    check(json.dumps(content, ensure_ascii=False))


# -- answers ------------------------------------------------------------------------------------------------------


def test_it_writes_a_reply() -> None:
    place = Sent(room=ROOM, id=42, seq=57, created_at="2026-01-02T03:04:05.678Z")

    assert encode_reply("send", "7", 201, place, []) == (
        b'{"action":"send","request_id":"7","response_status":201,"errors":[],"data":{'
        b'"room":"01990000-0000-7000-8000-000000000001","id":42,"seq":57,"created_at":"2026-01-02T03:04:05.678Z"}}'
    )


def test_it_writes_a_reply_without_a_request_id() -> None:
    assert encode_reply("leave", None, 200, None, []) == (
        b'{"action":"leave","request_id":null,"response_status":200,"errors":[],"data":null}'
    )


def test_it_writes_a_refusal() -> None:
    assert encode_refusal("send", 8, NotAMember()) == (
        b'{"action":"send","request_id":8,"response_status":403,"errors":[{"code":"not_a_member",'
        b'"detail":"You are not a member of this room.","field":null,"retry_after":null}],"data":null}'
    )


def test_it_writes_a_refusal_with_all_it_knows() -> None:
    assert encode_refusal(None, None, Overloaded("Full.", field="room", retry_after=1.5)) == (
        b'{"action":null,"request_id":null,"response_status":503,"errors":[{"code":"overloaded",'
        b'"detail":"Full.","field":"room","retry_after":1.5}],"data":null}'
    )


def test_it_tells_of_an_error_what_a_client_may_know() -> None:
    error = error_of(Overloaded(retry_after=1))

    assert msgspec.structs.asdict(error) == {
        "code": "overloaded",
        "detail": Overloaded.summary,
        "field": None,
        "retry_after": 1,
    }


FEATURE_LIST = msgspec.json.encode(actions.FEATURES)


def test_it_writes_hello() -> None:
    hello = encode_hello(
        epoch=UUID(int=1), user=ALICE, session=UUID(int=2), expires_at="2026-01-02T03:04:05.678Z", limits=LIMITS
    )

    assert hello == (
        b'{"event":"hello","data":{"protocol":1,"features":'
        + FEATURE_LIST
        + b',"epoch":"00000000-0000-0000-0000-000000000001",'
        b'"user":{"id":"01980000-0000-7000-8000-00000000000a","username":"alice","display_name":"Alice",'
        b'"avatar_url":"","bot":false,"data":{}},"session":"00000000-0000-0000-0000-000000000002",'
        b'"expires_at":"2026-01-02T03:04:05.678Z","heartbeat_s":25.0,"limits":{"max_frame_bytes":65536,'
        b'"max_text_chars":4000,"max_data_bytes":4096,"max_client_id_chars":64,"max_fragments":64,"send_window":32,'
        b'"max_followed_rooms":1000,"max_sockets":100,"history_page_max":100,"actions_per_s":20.0,"actions_burst":40,'
        b'"handshake_timeout_s":10.0,"stalled_writer_s":10.0}}}'
    )


def test_it_announces_the_bounds_as_they_are_set() -> None:
    narrow = Limits(max_text_chars=2, heartbeat_s=5)
    hello = encode_hello(epoch=UUID(int=1), user=ALICE, session=UUID(int=2), expires_at="", limits=narrow)

    greeting = msgspec.json.decode(hello)["data"]

    assert greeting["limits"].keys() == set(ANNOUNCED)
    assert (greeting["limits"]["max_text_chars"], greeting["heartbeat_s"]) == (2, 5)


def test_it_writes_that_it_is_about_to_stop() -> None:
    assert encode_draining(1500) == b'{"event":"draining","data":{"reconnect_in_ms":1500}}'


def test_it_writes_that_the_session_has_ended() -> None:
    assert encode_session_revoked(UUID(int=2)) == (
        b'{"event":"session.revoked","data":{"session":"00000000-0000-0000-0000-000000000002"}}'
    )


def test_it_writes_a_verdict_for_each_synced_room() -> None:
    rooms = {
        ROOM: Synced(head=Head(seq=57, message_id=42, floor=1), unread=3, resync=False),
        OTHER_ROOM: Synced(error=error_of(NotAMember())),
    }

    answer = msgspec.json.decode(encode_reply("sync", 1, 200, SyncedRooms(rooms=rooms), []))

    assert answer["data"]["rooms"] == {
        ROOM_ID: {"head": {"seq": 57, "message_id": 42, "floor": 1}, "unread": 3, "resync": False},
        OTHER_ID: {"error": msgspec.to_builtins(error_of(NotAMember()))},
    }


def test_it_has_close_codes_of_the_contract() -> None:
    closes_ = (value for value in vars(closes).values() if isinstance(value, closes.Close))
    codes = {(close.code, close.reason) for close in closes_ if close.code >= 4000}

    assert codes == {
        (4001, "draining"),
        (4002, "slow_reader"),
        (4003, "overloaded"),
        (4004, "flood"),
        (4501, "unauthenticated"),
        (4502, "token_expired"),
        (4503, "session_revoked"),
        (4504, "user_inactive"),
        (4505, "too_many_connections"),
    }
