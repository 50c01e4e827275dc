"""The service `remove_member`."""

from uuid import UUID, uuid4

import pytest

from foundation.errors import DomainError, Forbidden, NotFound
from rooms import services
from rooms.errors import LastOwner, NotAMember
from rooms.models import Room
from rooms.permissions import Role
from tests.people import Person
from tests.services.rooms import Ear, add, log_of, membership_of, set_role

pytestmark = pytest.mark.django_db


def test_it_works(alice: Person, bob: Person, room: UUID, ear: Ear) -> None:
    services.remove_member(user_id=alice.id, room_id=room, member_id=bob.id)

    assert membership_of(bob, room).left_seq == 3
    assert Room.objects.get(id=room).member_count == 1
    assert log_of(room)[2:] == ["member.removed"]
    (event,) = ear.heard(room)
    assert (event.seq, event.event, event.actor, event.evicts) == (3, "member.removed", alice.id, bob.id)
    assert (event.data["member"]["user"]["username"], event.data["by"]["username"]) == ("bob", "alice")
    assert len(ear.notices) == 1


def test_it_refuses_to_remove_a_member_twice(alice: Person, bob: Person, room: UUID, ear: Ear) -> None:
    services.remove_member(user_id=alice.id, room_id=room, member_id=bob.id)

    with pytest.raises(NotFound):
        services.remove_member(user_id=alice.id, room_id=room, member_id=bob.id)

    assert ear.changes(room) == [(3, "member.removed")]
    assert Room.objects.get(id=room).member_count == 1


def test_it_treats_removing_oneself_as_leaving(alice: Person, bob: Person, room: UUID, ear: Ear) -> None:
    services.remove_member(user_id=bob.id, room_id=room, member_id=bob.id)

    assert ear.changes(room) == [(3, "member.left")]
    with pytest.raises(LastOwner):
        services.remove_member(user_id=alice.id, room_id=room, member_id=alice.id)


@pytest.mark.parametrize("theirs", list(Role))
@pytest.mark.parametrize("mine", list(Role))
def test_it_lets_a_moderator_and_above_remove_members_of_lower_roles(
    bob: Person, charlie: Person, alice: Person, room: UUID, mine: Role, theirs: Role, ear: Ear
) -> None:
    add(alice, room, charlie)
    set_role(bob, room, mine)
    set_role(charlie, room, theirs)
    is_allowed = mine >= Role.MODERATOR and theirs < mine

    if is_allowed:
        services.remove_member(user_id=bob.id, room_id=room, member_id=charlie.id)
    else:
        with pytest.raises(Forbidden):
            services.remove_member(user_id=bob.id, room_id=room, member_id=charlie.id)

    assert ear.changes(room)[1:] == ([(4, "member.removed")] if is_allowed else [])
    assert (membership_of(charlie, room).left_seq is not None) == is_allowed


def test_it_refuses_to_remove_a_user_who_is_not_a_member(alice: Person, charlie: Person, room: UUID, ear: Ear) -> None:
    for member_id in (charlie.id, uuid4()):
        with pytest.raises(NotFound) as refusal:
            services.remove_member(user_id=alice.id, room_id=room, member_id=member_id)
        assert refusal.value.field == "user"

    assert ear.notices == []


def test_it_refuses_a_non_member(charlie: Person, alice: Person, room: UUID, public_room: UUID, ear: Ear) -> None:
    cases: list[tuple[UUID, type[DomainError]]] = [(room, NotFound), (public_room, NotAMember), (uuid4(), NotFound)]
    for room_id, refusal in cases:
        with pytest.raises(refusal):
            services.remove_member(user_id=charlie.id, room_id=room_id, member_id=alice.id)

    assert ear.notices == []
