"""The notices that wait to be published to the channel layer."""

from messaging.fanout.layer import room_group, user_group
from messaging.fanout.outgoing import Outgoing
from rooms.notices import Notice, RoomHint, SessionsChanged, UserHint, UserNotice
from tests.unit.examples import ALICE, OTHER_ROOM, ROOM
from tests.unit.in_memory import notice


def user_notice(version: int, payload: bytes) -> UserNotice:
    return UserNotice(user_id=ALICE.id, version=version, payload=payload)


def test_it_works() -> None:
    outgoing = Outgoing(max_bytes=1_000)
    given: list[Notice] = [notice(1), notice(2), notice(1, room=OTHER_ROOM), SessionsChanged(user_id=ALICE.id)]

    for one in given:
        outgoing.add(one)

    assert outgoing.take() == {
        room_group(ROOM): given[:2],
        room_group(OTHER_ROOM): given[2:3],
        user_group(ALICE.id): given[3:],
    }
    assert outgoing.take() == {}


def test_past_its_bound_a_room_keeps_only_a_hint_of_its_newest_seq() -> None:
    outgoing = Outgoing(max_bytes=100)

    for seq in (1, 3, 2):
        outgoing.add(notice(seq, size=50))

    assert outgoing.take() == {room_group(ROOM): [RoomHint(room_id=ROOM, seq=3)]}


def test_past_its_bound_a_user_keeps_only_hints() -> None:
    outgoing = Outgoing(max_bytes=10)
    changed = SessionsChanged(user_id=ALICE.id)

    for one in (changed, user_notice(2, b"room.added"), user_notice(1, b"read"), changed):
        outgoing.add(one)

    assert outgoing.take() == {user_group(ALICE.id): [changed, UserHint(user_id=ALICE.id, version=2)]}


def test_past_its_bound_a_user_whose_sessions_did_not_change_keeps_no_hint_of_it() -> None:
    outgoing = Outgoing(max_bytes=10)

    for version in (1, 2, 3):
        outgoing.add(user_notice(version, b"room.added"))

    assert outgoing.take() == {user_group(ALICE.id): [UserHint(user_id=ALICE.id, version=3)]}


def test_it_keeps_whole_notices_again_after_everything_was_taken() -> None:
    outgoing = Outgoing(max_bytes=100)
    outgoing.add(notice(1, size=101))
    outgoing.take()

    outgoing.add(notice(2, size=50))

    assert outgoing.take() == {room_group(ROOM): [notice(2, size=50)]}
