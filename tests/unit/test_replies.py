"""The bytes of replies, and of the events that are not of a room."""

from uuid import UUID

import msgspec

from foundation.errors import Overloaded
from messaging.wire import registry
from messaging.wire.frames import (
    encode_draining,
    encode_hello,
    encode_refusal,
    encode_reply,
    encode_session_revoked,
)
from messaging.wire.limits import ANNOUNCED, Limits
from messaging.wire.shapes import Sent, Synced, SyncedRooms, error_of
from rooms.errors import NotAMember
from rooms.schema import Head
from tests.unit.examples import ALICE, OTHER_ROOM, ROOM
from tests.unit.wire import LIMITS, OTHER_ID, ROOM_ID


def test_it_encodes_a_reply() -> None:
    sent = Sent(room=ROOM, id=42, seq=57, created_at="2026-01-02T03:04:05.678Z")

    assert encode_reply("send", "7", 201, sent, []) == (
        b'{"action":"send","request_id":"7","response_status":201,"errors":[],"data":{'
        b'"room":"01990000-0000-7000-8000-000000000001","id":42,"seq":57,"created_at":"2026-01-02T03:04:05.678Z"}}'
    )


def test_it_encodes_a_reply_without_a_request_id() -> None:
    assert encode_reply("leave", None, 200, None, []) == (
        b'{"action":"leave","request_id":null,"response_status":200,"errors":[],"data":null}'
    )


def test_it_encodes_a_refusal() -> None:
    assert encode_refusal("send", 8, NotAMember()) == (
        b'{"action":"send","request_id":8,"response_status":403,"errors":[{"code":"not_a_member",'
        b'"detail":"You are not a member of this room.","field":null,"retry_after":null}],"data":null}'
    )


def test_it_encodes_a_refusal_with_field_and_retry_after() -> None:
    assert encode_refusal(None, None, Overloaded("Full.", field="room", retry_after=1.5)) == (
        b'{"action":null,"request_id":null,"response_status":503,"errors":[{"code":"overloaded",'
        b'"detail":"Full.","field":"room","retry_after":1.5}],"data":null}'
    )


def test_it_gives_an_error_its_summary_as_the_default_detail() -> None:
    error = error_of(Overloaded(retry_after=1))

    assert msgspec.structs.asdict(error) == {
        "code": "overloaded",
        "detail": Overloaded.summary,
        "field": None,
        "retry_after": 1,
    }


FEATURE_LIST = msgspec.json.encode(registry.FEATURES)


def test_it_encodes_hello() -> None:
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
        b'"max_followed_rooms":1000,"max_sockets":100,"history_page_max":100,"page_max_bytes":65536,'
        b'"max_memberships":2000,"max_rooms_owned":1000,"max_room_members":100000,"rooms_per_day":100,'
        b'"additions_per_day":1000,'
        b'"actions_per_s":20.0,"actions_burst":40,"read_bytes_per_s":2097152,'
        b'"read_bytes_burst":134217728,"bytes_per_s":1048576,"bytes_burst":4194304,"frames_per_s":100.0,'
        b'"frames_burst":400,"control_frames_per_s":10.0,"control_frames_burst":50,'
        b'"handshake_timeout_s":10.0,"stalled_writer_s":10.0}}}'
    )


def test_it_announces_the_configured_limits() -> None:
    narrow = Limits(max_text_chars=2, heartbeat_s=5)
    hello = encode_hello(epoch=UUID(int=1), user=ALICE, session=UUID(int=2), expires_at="", limits=narrow)

    greeting = msgspec.json.decode(hello)["data"]

    assert greeting["limits"].keys() == set(ANNOUNCED)
    assert (greeting["limits"]["max_text_chars"], greeting["heartbeat_s"]) == (2, 5)


def test_it_encodes_draining() -> None:
    assert encode_draining(1500) == b'{"event":"draining","data":{"reconnect_in_ms":1500}}'


def test_it_encodes_session_revoked() -> None:
    assert encode_session_revoked(UUID(int=2)) == (
        b'{"event":"session.revoked","data":{"session":"00000000-0000-0000-0000-000000000002"}}'
    )


def test_it_encodes_the_result_for_each_synced_room() -> None:
    rooms = {
        ROOM: Synced(head=Head(seq=57, message_id=42, floor=1), unread=3, resync=False),
        OTHER_ROOM: Synced(error=error_of(NotAMember())),
    }

    answer = msgspec.json.decode(encode_reply("sync", 1, 200, SyncedRooms(rooms=rooms), []))

    assert answer["data"]["rooms"] == {
        ROOM_ID: {"head": {"seq": 57, "message_id": 42, "floor": 1}, "unread": 3, "resync": False},
        OTHER_ID: {"error": msgspec.to_builtins(error_of(NotAMember()))},
    }
