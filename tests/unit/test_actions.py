"""Actions: a frame for each is decoded to its struct, and each field is refused beyond its bounds."""

import json
from uuid import UUID

import pytest

from messaging.wire.actions import Action, History, Join, Leave, Ping, Read, Send, Sync
from messaging.wire.frames import decode
from messaging.wire.registry import ACTIONS
from tests.unit.examples import OTHER_ROOM, ROOM
from tests.unit.wire import LIMITS, MAX_INTEGER, OTHER_ID, ROOM_ID, frame, rejected, send

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
    (frame("history", room=ROOM_ID, around=MAX_INTEGER), History(room=ROOM, around=MAX_INTEGER)),
    (frame("read", room=ROOM_ID, id=0), Read(room=ROOM, id=0)),
    (frame("read", room=ROOM_ID, id=9, unread=True), Read(room=ROOM, id=9, unread=True)),
    (frame("ping"), Ping()),
]


@pytest.mark.parametrize(("data", "action"), GOLDEN, ids=[data for data, _ in GOLDEN])
@pytest.mark.parametrize("as_bytes", [False, True])
def test_it_decodes_every_action(data: str, action: Action, as_bytes: bool) -> None:
    decoded = decode(data.encode() if as_bytes else data, LIMITS)

    assert decoded == action
    assert type(decoded) is type(action)


def test_it_has_an_example_of_every_action() -> None:
    assert {action.name() for _, action in GOLDEN} == set(ACTIONS)


@pytest.mark.parametrize("request_id", ["7", "", "é" * 128, "a\n", "\x00", "\u200d", 0, MAX_INTEGER, -MAX_INTEGER])
def test_it_decodes_the_request_id(request_id: str | int) -> None:
    assert decode(frame("ping", request_id=request_id), LIMITS).request_id == request_id


# -- invalid fields -----------------------------------------------------------------------------------------------

INVALID_FIELDS: list[tuple[str, str]] = [
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
    (frame("join", room=ROOM_ID, after=MAX_INTEGER + 1), "after"),
    (frame("join", room=ROOM_ID, max_replay=100_001), "max_replay"),
    (frame("join", room=ROOM_ID, max_replay=None), "max_replay"),
    (frame("join", room=ROOM_ID, epoch="x"), "epoch"),
    (frame("join", room=ROOM_ID, history=101), "history"),
    (frame("sync"), "rooms"),
    (frame("sync", rooms=[ROOM_ID]), "rooms"),
    (frame("sync", rooms={ROOM_ID: -1}), "rooms"),
    (frame("sync", rooms={ROOM_ID: "1"}), "rooms"),
    (frame("sync", rooms={str(UUID(int=number)): None for number in range(1_001)}), "rooms"),
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
    (send(reply_to=MAX_INTEGER + 1), "reply_to"),
    (send(data=None), "data"),
    (send(data=[]), "data"),
    (send(data={"k": "a\x00"}), "data.k"),
    (send(data={"k": [{"l": ["\x00"]}]}), "data.k[0].l[0]"),
    (send(data={"a\x00": 1}), "data"),
    (send(data={"n": MAX_INTEGER + 1}), "data.n"),
    (send(data={"n": [0, -MAX_INTEGER - 1]}), "data.n[1]"),
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
    (frame("read", room=ROOM_ID, id=MAX_INTEGER + 1), "id"),
    (frame("read", room=ROOM_ID, id=1, unread="yes"), "unread"),
]


@pytest.mark.parametrize(("data", "field"), INVALID_FIELDS, ids=[data[:90] for data, _ in INVALID_FIELDS])
def test_it_refuses_an_invalid_field_with_its_path(data: str, field: str) -> None:
    rejection = rejected(data.replace("{", '{"request_id": "7", ', 1))

    assert (rejection.error.code, rejection.error.status, rejection.error.field) == ("invalid", 400, field)
    assert (rejection.action, rejection.request_id) == (json.loads(data)["action"], "7")


def test_it_refuses_an_invalid_key_with_the_path_of_its_object() -> None:
    error = rejected(frame("sync", rooms={"x": 1})).error

    assert (error.detail, error.field) == ("Invalid UUID.", "rooms")
