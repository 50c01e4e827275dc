"""The notices that wait to be published to the channel layer."""

from messaging.fanout.layer import room_group, user_group
from messaging.fanout.outgoing import Outgoing
from rooms.notices import Notice, RoomHint, SessionsChanged, UserNotice
from tests.unit.examples import ALICE, OTHER_ROOM, ROOM
from tests.unit.in_memory import notice


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


def test_past_its_bound_a_user_keeps_only_that_their_sessions_changed() -> None:
    outgoing = Outgoing(max_bytes=10)

    for one in (SessionsChanged(user_id=ALICE.id), UserNotice(user_id=ALICE.id, payload=b"room.added")):
        outgoing.add(one)
        outgoing.add(UserNotice(user_id=ALICE.id, payload=b"read"))

    assert outgoing.take() == {user_group(ALICE.id): [SessionsChanged(user_id=ALICE.id)]}


def test_it_keeps_whole_notices_again_after_everything_was_taken() -> None:
    outgoing = Outgoing(max_bytes=100)
    outgoing.add(notice(1, size=101))
    outgoing.take()

    outgoing.add(notice(2, size=50))

    assert outgoing.take() == {room_group(ROOM): [notice(2, size=50)]}
