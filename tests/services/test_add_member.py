"""The service `add_member`."""

from uuid import UUID, uuid4

import pytest

from accounts.models import User
from foundation.errors import Conflict, DomainError, Forbidden, Invalid, NotFound
from rooms import services
from rooms.errors import Archived, NotAMember
from rooms.models import Room
from rooms.permissions import Role
from rooms.schema import NewMember, RoleName
from tests.people import Person
from tests.services.rooms import Ear, archive, log_of, membership_of, say, set_role

pytestmark = pytest.mark.django_db


def test_it_works(alice: Person, charlie: Person, room: UUID, ear: Ear) -> None:
    member, is_new = services.add_member(user_id=alice.id, room_id=room, new=NewMember(user=charlie.id))

    assert is_new
    assert (member.user.id, member.role, member.joined_seq) == (charlie.id, "member", 3)
    assert Room.objects.get(id=room).member_count == 3
    assert log_of(room)[2:] == ["member.joined"]
    (event,) = ear.heard(room)
    assert (event.seq, event.event, event.actor, event.evicts) == (3, "member.joined", alice.id, None)
    assert (event.data["member"]["user"]["username"], event.data["by"]["username"]) == ("charlie", "alice")
    assert len(ear.notices) == 2


def test_it_sends_the_new_member_the_room(alice: Person, charlie: Person, room: UUID, ear: Ear) -> None:
    services.add_member(user_id=alice.id, room_id=room, new=NewMember(user=charlie.id))

    (event,) = ear.user_events(charlie)
    assert (event["event"], event["room"]) == ("room.added", str(room))
    assert (event["data"]["name"], event["data"]["member_count"]) == ("Tea", 3)


def test_it_counts_earlier_messages_as_read(alice: Person, charlie: Person, room: UUID) -> None:
    say(alice, room, "one", "two")

    member, _ = services.add_member(user_id=alice.id, room_id=room, new=NewMember(user=charlie.id))

    assert (member.joined_seq, member.read_id) == (5, 2)


def test_it_changes_nothing_for_a_member(alice: Person, bob: Person, room: UUID, ear: Ear) -> None:
    member, is_new = services.add_member(user_id=alice.id, room_id=room, new=NewMember(user=bob.id))

    assert not is_new
    assert member.joined_seq == 2
    assert ear.notices == []
    assert log_of(room) == ["member.joined"] * 2


def test_it_refuses_to_change_the_role_of_a_member(alice: Person, bob: Person, room: UUID, ear: Ear) -> None:
    with pytest.raises(Conflict) as refusal:
        services.add_member(user_id=alice.id, room_id=room, new=NewMember(user=bob.id, role="admin"))

    assert refusal.value.field == "role"
    assert membership_of(bob, room).role == Role.MEMBER
    assert ear.notices == []


def test_it_adds_a_removed_member_again(alice: Person, bob: Person, room: UUID, ear: Ear) -> None:
    services.remove_member(user_id=alice.id, room_id=room, member_id=bob.id)

    new = NewMember(user=bob.id, role="moderator")
    member, is_new = services.add_member(user_id=alice.id, room_id=room, new=new)

    assert is_new
    assert (member.role, member.joined_seq) == ("moderator", 4)
    assert ear.changes(room) == [(3, "member.removed"), (4, "member.joined")]
    assert Room.objects.get(id=room).member_count == 2


@pytest.mark.parametrize("exists", [True, False])
def test_it_refuses_a_missing_or_inactive_user(
    alice: Person, charlie: Person, room: UUID, exists: bool, ear: Ear
) -> None:
    User.objects.filter(id=charlie.id).update(is_active=False)
    new = NewMember(user=charlie.id if exists else uuid4())

    with pytest.raises(Invalid) as refusal:
        services.add_member(user_id=alice.id, room_id=room, new=new)

    assert refusal.value.field == "user"
    assert ear.notices == []


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        (Role.OWNER, ["owner", "admin", "moderator", "member"]),
        (Role.ADMIN, ["moderator", "member"]),
        (Role.MODERATOR, []),
        (Role.MEMBER, []),
    ],
)
@pytest.mark.parametrize("wanted", ["owner", "admin", "moderator", "member"])
def test_it_lets_an_admin_give_lower_roles_and_an_owner_any_role(
    bob: Person, charlie: Person, room: UUID, role: Role, allowed: list[RoleName], wanted: RoleName, ear: Ear
) -> None:
    set_role(bob, room, role)
    new = NewMember(user=charlie.id, role=wanted)

    if wanted in allowed:
        assert services.add_member(user_id=bob.id, room_id=room, new=new)[0].role == wanted
    else:
        with pytest.raises(Forbidden):
            services.add_member(user_id=bob.id, room_id=room, new=new)

    assert ear.changes(room) == ([(3, "member.joined")] if wanted in allowed else [])


def test_it_refuses_an_archived_room(alice: Person, charlie: Person, room: UUID, ear: Ear) -> None:
    archive(alice, room)

    with pytest.raises(Archived):
        services.add_member(user_id=alice.id, room_id=room, new=NewMember(user=charlie.id))

    assert ear.changes(room) == [(3, "room.updated")]


def test_it_refuses_a_non_member(charlie: Person, bob: Person, room: UUID, public_room: UUID) -> None:
    cases: list[tuple[UUID, type[DomainError]]] = [(room, NotFound), (public_room, NotAMember), (uuid4(), NotFound)]
    for room_id, refusal in cases:
        with pytest.raises(refusal):
            services.add_member(user_id=charlie.id, room_id=room_id, new=NewMember(user=bob.id))
