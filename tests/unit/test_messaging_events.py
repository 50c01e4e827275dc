"""The bytes of the events of messages."""

from messaging.wire.events import message_created
from messaging.wire.shapes import Message, sender_of
from tests.unit.examples import ALICE, ROOM

AT = "2026-01-02T03:04:05.678Z"


def test_it_works() -> None:
    message = Message(
        room=ROOM,
        id=42,
        seq=57,
        sender=sender_of(ALICE),
        text="Grüße 👍",
        client_id="c-1",
        reply_to=41,
        data={"n": 1},
        created_at=AT,
    )

    notice = message_created(message)

    assert (notice.room_id, notice.seq, notice.message_id, notice.revises) == (ROOM, 57, 42, False)
    assert notice.payload.decode() == (
        '{"event":"message.created","room":"01990000-0000-7000-8000-000000000001","seq":57,'
        '"at":"2026-01-02T03:04:05.678Z","actor":"01980000-0000-7000-8000-00000000000a","data":{'
        '"room":"01990000-0000-7000-8000-000000000001","id":42,"seq":57,'
        '"sender":{"id":"01980000-0000-7000-8000-00000000000a","username":"alice","display_name":"Alice"},'
        '"text":"Grüße 👍","client_id":"c-1","reply_to":41,"thread":null,"replies":0,"last_reply_at":null,'
        '"mentions":[],"attachments":[],"data":{"n":1},"reactions":[],"pinned":false,'
        '"created_at":"2026-01-02T03:04:05.678Z","edited_at":null,"deleted_at":null}}'
    )


def test_it_encodes_null_without_a_client_id_and_a_reply() -> None:
    message = Message(
        room=ROOM,
        id=1,
        seq=2,
        sender=sender_of(ALICE),
        text="hi",
        client_id=None,
        reply_to=None,
        data={},
        created_at=AT,
    )

    assert b'"text":"hi","client_id":null,"reply_to":null,"thread":null' in message_created(message).payload
