"""The bytes of the events of rooms and members."""

from datetime import UTC, datetime
from typing import Any

import pytest

from rooms.events import (
    MemberChange,
    MemberEvent,
    MemberJoined,
    MemberLeft,
    MemberRemoved,
    MemberUpdated,
    ReadMoved,
    RoomAdded,
    RoomUpdated,
)
from rooms.notices import RoomNotice, render_entry, render_gap, user_notice
from rooms.schema import Member, ReadState, Room
from tests.unit.examples import ALICE, BOB, ROOM

AT = "2026-01-02T03:04:05.678Z"
TEA = Room(ROOM, "public", "Tea", "", "", {"k": 1}, 2, AT, None, 0)
TEA_BYTES = (
    b'{"id":"01990000-0000-7000-8000-000000000001","kind":"public","name":"Tea","topic":"","avatar_url":"",'
    b'"data":{"k":1},"member_count":2,"created_at":"2026-01-02T03:04:05.678Z","archived_at":null,"slow_mode_s":0}'
)
MEMBER_EVENT_BYTES = (
    b'{"event":"%b","room":"01990000-0000-7000-8000-000000000001","seq":57,"at":"2026-01-02T03:04:05.678Z",'
    b'"actor":"01980000-0000-7000-8000-00000000000a","data":{"member":{'
    b'"user":{"id":"01980000-0000-7000-8000-00000000000b","username":"bob","display_name":"Bob","avatar_url":"",'
    b'"bot":false,"data":{}},"role":"moderator","joined_seq":3,"read_id":42,"muted_until":null,"notify":"all"},'
    b'"by":{"id":"01980000-0000-7000-8000-00000000000a","username":"alice","display_name":"Alice","avatar_url":"",'
    b'"bot":false,"data":{}}}}'
)


def render(kind: type[MemberEvent], **about: Any) -> RoomNotice:
    change = MemberChange(member=Member(BOB, "moderator", 3, 42, None, "all"), by=ALICE)
    return render_entry(kind, room_id=ROOM, seq=57, at=AT, actor_id=ALICE.id, data=change, **about)


def test_it_works() -> None:
    notice = render_entry(RoomUpdated, room_id=ROOM, seq=57, at=AT, actor_id=ALICE.id, data=TEA)

    assert (notice.room_id, notice.seq, notice.evicts) == (ROOM, 57, None)
    assert notice.payload == (
        b'{"event":"room.updated","room":"01990000-0000-7000-8000-000000000001","seq":57,'
        b'"at":"2026-01-02T03:04:05.678Z","actor":"01980000-0000-7000-8000-00000000000a","data":' + TEA_BYTES + b"}"
    )


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (MemberJoined, b"member.joined"),
        (MemberLeft, b"member.left"),
        (MemberRemoved, b"member.removed"),
        (MemberUpdated, b"member.updated"),
    ],
)
def test_it_encodes_the_member_and_who_made_the_change(kind: type[MemberEvent], name: bytes) -> None:
    assert render(kind).payload == MEMBER_EVENT_BYTES % name


def test_it_encodes_a_datetime_as_a_timestamp() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)

    notice = render_entry(RoomUpdated, room_id=ROOM, seq=57, at=moment, actor_id=ALICE.id, data=TEA)

    assert b'"at":"2026-01-02T03:04:05.678Z"' in notice.payload


@pytest.mark.parametrize("kind", [MemberLeft, MemberRemoved])
def test_it_evicts_a_member_who_left_or_was_removed(kind: type[MemberEvent]) -> None:
    assert render(kind, user_id=BOB.id).evicts == BOB.id


@pytest.mark.parametrize("kind", [MemberJoined, MemberUpdated])
def test_it_evicts_nobody_for_other_events(kind: type[MemberEvent]) -> None:
    assert render(kind, user_id=BOB.id).evicts is None


def test_it_names_the_message_of_an_entry() -> None:
    class Revision(MemberEvent, frozen=True, tag="member.revised"):
        revises = True

    notice = render(Revision, message_id=42)

    assert (notice.message_id, notice.revises, notice.covers_from) == (42, True, None)


def test_it_encodes_a_gap() -> None:
    notice = render_gap(ROOM, 3, 7)

    assert (notice.room_id, notice.covers_from, notice.seq) == (ROOM, 3, 7)
    assert notice.payload == (
        b'{"event":"gap","room":"01990000-0000-7000-8000-000000000001","from":3,"to":7,"reason":"retention"}'
    )


def test_it_sends_a_user_the_room_they_were_added_to() -> None:
    notice = user_notice(BOB.id, 7, RoomAdded(room=ROOM, data=TEA))

    assert notice.user_id == BOB.id
    assert notice.payload == (
        b'{"event":"room.added","room":"01990000-0000-7000-8000-000000000001","data":' + TEA_BYTES + b"}"
    )


def test_it_sends_a_user_their_read_cursor() -> None:
    notice = user_notice(BOB.id, 7, ReadMoved(room=ROOM, data=ReadState(read_id=42, unread=3)))

    assert notice.user_id == BOB.id
    assert notice.payload == (
        b'{"event":"read","room":"01990000-0000-7000-8000-000000000001","data":{"read_id":42,"unread":3}}'
    )
