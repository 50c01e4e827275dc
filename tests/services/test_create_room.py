"""The service `create_room`."""

from uuid import uuid4

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from foundation.errors import Invalid
from foundation.schema import timestamp
from rooms import services
from rooms.models import Membership, Room
from rooms.schema import NewRoom
from tests.people import Person, make_person
from tests.services.rooms import Ear, log_of

pytestmark = pytest.mark.django_db


def test_it_works(alice: Person, ear: Ear) -> None:
    new = NewRoom(
        name="Tea", kind="public", topic="Leaves", avatar_url="https://example.org/tea.png", data={"hot": True}
    )

    joined = services.create_room(user_id=alice.id, new=new)

    room = joined.room
    assert (room.name, room.kind, room.topic, room.avatar_url, room.data) == (
        "Tea", "public", "Leaves", "https://example.org/tea.png", {"hot": True},
    )  # fmt: skip
    assert (room.member_count, room.archived_at, room.slow_mode_s) == (1, None, 0)
    assert room.created_at == timestamp(Room.objects.get(id=room.id).created_at)
    assert (joined.membership.role, joined.membership.joined_seq) == ("owner", 1)
    assert (joined.head.seq, joined.head.message_id, joined.unread) == (1, 0, 0)
    assert log_of(room.id) == ["member.joined"]
    assert ear.changes(room.id) == [(1, "member.joined")]
    assert len(ear.notices) == 1


def test_it_adds_the_given_users_as_members(alice: Person, bob: Person, charlie: Person, ear: Ear) -> None:
    new = NewRoom(name="Tea", kind="private", members=[charlie.id, bob.id])

    joined = services.create_room(user_id=alice.id, new=new)

    room = joined.room
    assert room.member_count == 3
    assert joined.head.seq == 3
    assert log_of(room.id) == ["member.joined"] * 3
    events = ear.heard(room.id)
    assert [(event.seq, event.data["member"]["user"]["id"], event.data["member"]["role"]) for event in events] == [
        (1, str(alice.id), "owner"),
        (2, str(charlie.id), "member"),
        (3, str(bob.id), "member"),
    ]
    assert {event.actor for event in events} == {alice.id}


def test_it_sends_the_added_members_the_room(alice: Person, bob: Person, ear: Ear) -> None:
    room = services.create_room(user_id=alice.id, new=NewRoom(name="Tea", kind="private", members=[bob.id])).room

    (event,) = ear.user_events(bob)
    assert (event["event"], event["room"], event["data"]["member_count"]) == ("room.added", str(room.id), 2)
    assert ear.user_events(alice) == []


def test_it_adds_a_repeated_user_once(alice: Person, bob: Person) -> None:
    new = NewRoom(name="Tea", kind="private", members=[bob.id, alice.id, bob.id])

    joined = services.create_room(user_id=alice.id, new=new)

    assert joined.room.member_count == 2
    assert joined.membership.role == "owner"
    assert log_of(joined.room.id) == ["member.joined"] * 2


@pytest.mark.parametrize("exists", [True, False])
def test_it_refuses_a_missing_or_inactive_user(alice: Person, bob: Person, exists: bool, ear: Ear) -> None:
    User.objects.filter(id=bob.id).update(is_active=False)
    stranger = bob.id if exists else uuid4()

    with pytest.raises(Invalid) as refusal:
        services.create_room(user_id=alice.id, new=NewRoom(name="Tea", kind="private", members=[stranger]))

    assert refusal.value.field == "members[0]"
    assert not Room.objects.exists()
    assert not Membership.objects.exists()
    assert ear.notices == []


def test_it_names_the_position_of_the_refused_member(alice: Person, bob: Person) -> None:
    new = NewRoom(name="Tea", kind="private", members=[alice.id, bob.id, bob.id, uuid4()])

    with pytest.raises(Invalid) as refusal:
        services.create_room(user_id=alice.id, new=new)

    assert refusal.value.field == "members[3]"


@pytest.mark.parametrize("members", [1, 20])
def test_it_takes_the_same_number_of_queries_for_one_member_and_for_many(
    alice: Person, members: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    ids = [make_person(f"member{number}").id for number in range(members)]
    new = NewRoom(name="Tea", kind="private", members=ids)

    with django_assert_num_queries(12):  # and the statement of the quotas, which Django does not count
        services.create_room(user_id=alice.id, new=new)
