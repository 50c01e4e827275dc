"""The service `leave_room`."""

from uuid import UUID, uuid4

import pytest

from accounts import services as accounts
from foundation.errors import DomainError, NotFound
from rooms import services
from rooms.errors import LastOwner, NotAMember
from rooms.models import Room
from rooms.permissions import Role
from tests.people import Person
from tests.services.rooms import Ear, log_of, membership_of, set_role, together

pytestmark = pytest.mark.django_db


def test_it_works(bob: Person, room: UUID, ear: Ear) -> None:
    services.leave_room(user_id=bob.id, room_id=room)

    assert membership_of(bob, room).left_seq == 3
    assert Room.objects.get(id=room).member_count == 1
    assert log_of(room)[2:] == ["member.left"]
    (event,) = ear.heard(room)
    assert (event.seq, event.event, event.actor, event.evicts) == (3, "member.left", bob.id, bob.id)
    assert event.data["member"]["user"]["id"] == event.data["by"]["id"] == str(bob.id)
    assert len(ear.notices) == 1


def test_it_refuses_to_leave_twice(bob: Person, room: UUID, ear: Ear) -> None:
    services.leave_room(user_id=bob.id, room_id=room)

    with pytest.raises(NotFound):
        services.leave_room(user_id=bob.id, room_id=room)

    assert ear.changes(room) == [(3, "member.left")]
    assert Room.objects.get(id=room).member_count == 1


def test_it_refuses_a_non_member(charlie: Person, room: UUID, public_room: UUID, ear: Ear) -> None:
    cases: list[tuple[UUID, type[DomainError]]] = [(room, NotFound), (public_room, NotAMember), (uuid4(), NotFound)]
    for room_id, refusal in cases:
        with pytest.raises(refusal):
            services.leave_room(user_id=charlie.id, room_id=room_id)

    assert ear.notices == []


def test_it_refuses_the_last_owner(alice: Person, bob: Person, room: UUID, ear: Ear) -> None:
    with pytest.raises(LastOwner):
        services.leave_room(user_id=alice.id, room_id=room)
    assert ear.notices == []

    set_role(bob, room, Role.OWNER)
    services.leave_room(user_id=alice.id, room_id=room)

    assert ear.changes(room) == [(3, "member.left")]


def test_it_does_not_count_a_former_owner(alice: Person, bob: Person, room: UUID) -> None:
    set_role(bob, room, Role.OWNER)
    services.leave_room(user_id=bob.id, room_id=room)

    with pytest.raises(LastOwner):
        services.leave_room(user_id=alice.id, room_id=room)


def test_it_does_not_count_an_owner_who_is_deactivated(alice: Person, bob: Person, room: UUID) -> None:
    set_role(bob, room, Role.OWNER)
    accounts.set_active(username="bob", active=False)

    with pytest.raises(LastOwner):
        services.leave_room(user_id=alice.id, room_id=room)


@pytest.mark.django_db(transaction=True)
def test_it_keeps_one_of_two_owners_who_leave_concurrently(alice: Person, bob: Person, room: UUID, ear: Ear) -> None:
    set_role(bob, room, Role.OWNER)

    answers = together(
        lambda: services.leave_room(user_id=alice.id, room_id=room),
        lambda: services.leave_room(user_id=bob.id, room_id=room),
    )

    assert [type(answer) for answer in answers if isinstance(answer, DomainError)] == [LastOwner]
    assert ear.changes(room) == [(3, "member.left")]
    assert log_of(room)[2:] == ["member.left"]
