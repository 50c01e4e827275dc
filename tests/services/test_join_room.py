"""The service `join_room`."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from pytest_django import DjangoAssertNumQueries

from foundation.errors import NotFound
from rooms import services
from rooms.errors import Archived
from rooms.models import Membership, Room
from rooms.schema import Joined
from tests.people import Person
from tests.services.rooms import Ear, archive, log_of, membership_of, say, together

pytestmark = pytest.mark.django_db


def test_it_works(alice: Person, charlie: Person, public_room: UUID, ear: Ear) -> None:
    joined = services.join_room(user_id=charlie.id, room_id=public_room)

    assert (joined.membership.role, joined.membership.joined_seq) == ("member", 2)
    assert joined.membership.user.username == "charlie"
    assert (joined.head.seq, joined.head.message_id, joined.room.member_count) == (2, 0, 2)
    assert Room.objects.get(id=public_room).member_count == 2
    assert log_of(public_room) == ["member.joined"] * 2
    (event,) = ear.heard(public_room)
    assert (event.seq, event.event, event.actor, event.evicts) == (2, "member.joined", charlie.id, None)
    assert event.data["member"]["user"]["id"] == event.data["by"]["id"] == str(charlie.id)
    assert len(ear.notices) == 1  # no `room.added`: nobody else added the user


def test_it_counts_earlier_messages_as_read(alice: Person, charlie: Person, public_room: UUID) -> None:
    say(alice, public_room, "one", "two")

    joined = services.join_room(user_id=charlie.id, room_id=public_room)

    assert (joined.membership.read_id, joined.head.message_id, joined.unread) == (2, 2, 0)


def test_it_changes_nothing_for_a_member(
    bob: Person, alice: Person, room: UUID, ear: Ear, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        joined = services.join_room(user_id=bob.id, room_id=room)

    assert (joined.membership.joined_seq, joined.head.seq) == (2, 2)
    assert ear.notices == []


def test_it_refuses_private_and_missing_rooms(charlie: Person, room: UUID, ear: Ear) -> None:
    for room_id in (room, uuid4()):
        with pytest.raises(NotFound):
            services.join_room(user_id=charlie.id, room_id=room_id)

    assert log_of(room) == ["member.joined"] * 2
    assert ear.notices == []


def test_it_refuses_a_new_member_of_an_archived_room(alice: Person, charlie: Person, public_room: UUID) -> None:
    archive(alice, public_room)

    with pytest.raises(Archived):
        services.join_room(user_id=charlie.id, room_id=public_room)

    assert services.join_room(user_id=alice.id, room_id=public_room).room.archived_at is not None
    assert log_of(public_room) == ["member.joined", "room.updated"]


def test_it_lets_a_former_member_join_again(alice: Person, charlie: Person, public_room: UUID, ear: Ear) -> None:
    services.join_room(user_id=charlie.id, room_id=public_room)
    services.leave_room(user_id=charlie.id, room_id=public_room)
    say(alice, public_room, "meanwhile")

    joined = services.join_room(user_id=charlie.id, room_id=public_room)

    assert (joined.membership.joined_seq, joined.membership.read_id, joined.room.member_count) == (5, 1, 2)
    assert membership_of(charlie, public_room).left_seq is None
    assert log_of(public_room)[1:] == ["member.joined", "member.left", "message.created", "member.joined"]
    assert [seq for seq, _ in ear.changes(public_room)] == [2, 3, 4, 5]


def test_it_resets_the_role_but_keeps_the_mute_of_a_former_member(charlie: Person, public_room: UUID) -> None:
    until = datetime(2999, 1, 1, tzinfo=UTC)
    services.join_room(user_id=charlie.id, room_id=public_room)
    Membership.objects.filter(room_id=public_room, user_id=charlie.id).update(muted_until=until, role=30, notify="none")
    services.leave_room(user_id=charlie.id, room_id=public_room)

    member = services.join_room(user_id=charlie.id, room_id=public_room).membership

    assert (member.role, member.muted_until, member.notify) == ("member", "2999-01-01T00:00:00.000Z", "none")


@pytest.mark.django_db(transaction=True)
def test_it_joins_once_under_concurrent_requests(charlie: Person, public_room: UUID, ear: Ear) -> None:
    answers = together(*[lambda: services.join_room(user_id=charlie.id, room_id=public_room)] * 4)

    assert [answer.membership.joined_seq for answer in answers if isinstance(answer, Joined)] == [2] * 4
    assert log_of(public_room) == ["member.joined"] * 2
    assert ear.changes(public_room) == [(2, "member.joined")]
