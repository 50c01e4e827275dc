"""The selector `access_room`, and the table of permissions."""

from uuid import UUID, uuid4

import pytest
from pytest_django import DjangoAssertNumQueries

from foundation.errors import Forbidden, NotFound
from rooms import services
from rooms.access import access_room
from rooms.errors import NotAMember
from rooms.permissions import Permission, Role
from tests.people import Person
from tests.services.rooms import archive, set_role

pytestmark = pytest.mark.django_db

# "Who may do what" in docs/protocol.md.
REQUIRED_ROLES = {
    "READ": Role.MEMBER,
    "SEND": Role.MEMBER,
    "REMOVE_MEMBERS": Role.MODERATOR,
    "MUTE_MEMBERS": Role.MODERATOR,
    "ADD_MEMBERS": Role.ADMIN,
    "CHANGE_ROLES": Role.ADMIN,
    "CHANGE_SETTINGS": Role.ADMIN,
    "ARCHIVE": Role.OWNER,
    "HAND_OVER": Role.OWNER,
}


def test_it_works(bob: Person, room: UUID, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(1):
        access = access_room(user_id=bob.id, room_id=room)
        found = access.room.id, access.room.head.seq, access.membership.user.username, access.membership.role

    assert found == (room, 2, "bob", Role.MEMBER)


def test_it_hides_a_private_room_from_a_non_member(charlie: Person, room: UUID) -> None:
    with pytest.raises(NotFound) as hidden:
        access_room(user_id=charlie.id, room_id=room)
    with pytest.raises(NotFound) as missing:
        access_room(user_id=charlie.id, room_id=uuid4())

    assert (hidden.value.detail, hidden.value.field) == (missing.value.detail, missing.value.field)


def test_it_refuses_a_non_member_of_a_public_room(charlie: Person, public_room: UUID) -> None:
    with pytest.raises(NotAMember):
        access_room(user_id=charlie.id, room_id=public_room)


def test_it_refuses_a_former_member(bob: Person, charlie: Person, room: UUID, public_room: UUID) -> None:
    services.join_room(user_id=charlie.id, room_id=public_room)
    services.leave_room(user_id=charlie.id, room_id=public_room)
    services.leave_room(user_id=bob.id, room_id=room)

    with pytest.raises(NotAMember):
        access_room(user_id=charlie.id, room_id=public_room)
    with pytest.raises(NotFound):
        access_room(user_id=bob.id, room_id=room)


def test_it_gives_a_member_access_to_an_archived_room(alice: Person, bob: Person, room: UUID) -> None:
    archive(alice, room)

    assert access_room(user_id=bob.id, room_id=room).room.archived_at is not None


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("name", REQUIRED_ROLES)
def test_it_requires_the_role_of_the_permission(bob: Person, room: UUID, name: str, role: Role) -> None:
    set_role(bob, room, role)
    permission = Permission[name]

    if role >= REQUIRED_ROLES[name]:
        assert access_room(user_id=bob.id, room_id=room, permission=permission).membership.role == role
    else:
        with pytest.raises(Forbidden) as refusal:
            access_room(user_id=bob.id, room_id=room, permission=permission)
        assert permission.purpose in refusal.value.detail
        assert permission.role.name.lower() in refusal.value.detail


def test_the_required_roles_are_those_of_the_protocol() -> None:
    assert {name: Permission[name].role for name in REQUIRED_ROLES} == REQUIRED_ROLES


def test_the_roles_are_ordered_as_in_the_protocol() -> None:
    assert [role.name for role in sorted(Role, reverse=True)] == ["OWNER", "ADMIN", "MODERATOR", "MEMBER"]
