"""The services `follow_rooms` and `resume_rooms`, which answer many requests of many users together."""

from uuid import UUID, uuid4

import pytest

from messaging.services.follow import JoinRequest, SyncRequest, follow_room, follow_rooms, resume_rooms
from messaging.wire.actions import Join, Sync
from rooms import services
from rooms.selectors import get_epoch
from tests.people import Person, make_person
from tests.services.appends import counted_statements
from tests.services.rooms import make_room, say

pytestmark = pytest.mark.django_db


def test_it_works(alice: Person, bob: Person, room: UUID) -> None:
    say(alice, room, "hi")
    requests = [SyncRequest(bob.id, Sync(rooms={room: 2})), SyncRequest(alice.id, Sync(rooms={room: None}))]

    with counted_statements() as count:
        of_bob, of_alice = follow_rooms(requests)
        assert count() == 1

    assert (of_bob.plans[room].cursor, of_bob.plans[room].since, of_bob.answers[room].unread) == (2, 2, 1)
    assert (of_alice.plans[room].cursor, of_alice.plans[room].since, of_alice.answers[room].unread) == (3, 1, 0)


def test_each_request_has_its_own_errors_budget_and_epoch(alice: Person, bob: Person, charlie: Person) -> None:
    rooms = [make_room(alice) for _ in range(3)]
    for room in rooms:
        say(alice, room, "hi", "ho")
    given: dict[UUID, int | None] = dict.fromkeys(rooms, 1)
    requests = [
        SyncRequest(alice.id, Sync(rooms=given, max_replay=4)),
        SyncRequest(alice.id, Sync(rooms=given, epoch=uuid4())),
        SyncRequest(alice.id, Sync(rooms=given, epoch=get_epoch())),
        SyncRequest(charlie.id, Sync(rooms=given)),
    ]

    with counted_statements() as count:
        results = follow_rooms(requests)
        assert count() == 3

    resyncs = [[result.answers[room].resync for room in rooms] for result in results[:3]]
    assert resyncs == [[False, False, True], [True, True, True], [False, False, False]]
    assert results[3].plans == {}
    assert {results[3].answers[room].error.code for room in rooms} == {"not_found"}  # type: ignore[union-attr]


def test_members_who_resume_are_answered_as_by_follow_room(alice: Person, bob: Person, room: UUID) -> None:
    say(alice, room, "hi")
    requests = [
        JoinRequest(bob.id, Join(room=room, after=2)),
        JoinRequest(alice.id, Join(room=room, after=0, epoch=get_epoch())),
        JoinRequest(bob.id, Join(room=room, after=3)),
    ]

    with counted_statements() as count:
        results = resume_rooms(requests)
        assert count() == 2

    assert results == [follow_room(user_id=user_id, join=join) for user_id, join in requests]


def test_it_leaves_the_rest_to_follow_room(alice: Person, charlie: Person, room: UUID, public_room: UUID) -> None:
    services.join_room(user_id=charlie.id, room_id=public_room)
    services.leave_room(user_id=charlie.id, room_id=public_room)
    requests = [
        JoinRequest(charlie.id, Join(room=room, after=1)),  # may not
        JoinRequest(charlie.id, Join(room=public_room, after=1)),  # becomes a member
        JoinRequest(alice.id, Join(room=room, after=1, history=5)),  # receives messages
        JoinRequest(alice.id, Join(room=room, after=99)),  # must resync
        JoinRequest(alice.id, Join(room=room, after=1, epoch=uuid4())),
        JoinRequest(alice.id, Join(room=uuid4(), after=1)),
        JoinRequest(alice.id, Join(room=room, after=1, history=0)),
    ]

    assert [result is not None for result in resume_rooms(requests)] == [False] * 6 + [True]


def test_it_takes_one_query_for_a_hundred_members(db: None) -> None:
    people = [make_person(f"person{n}") for n in range(100)]
    rooms = [make_room(person, name=f"room {n}") for n, person in enumerate(people)]

    with counted_statements() as count:
        results = resume_rooms([JoinRequest(p.id, Join(room=r, after=0)) for p, r in zip(people, rooms, strict=True)])
        assert count() == 1

    assert [result[0].room.name for result in results if result] == [f"room {n}" for n in range(100)]
