"""Rows that a room's log is rendered from cannot be deleted: users are deactivated, rooms are archived."""

from uuid import UUID

import pytest
from django.db.models import ProtectedError

from accounts.models import User
from messaging.selectors.log import read_page
from rooms import services
from rooms.models import Entry, Membership, Room
from rooms.schema import MemberPatch
from tests.people import Person, make_person
from tests.services.rooms import add, archive, say

pytestmark = pytest.mark.django_db


@pytest.fixture
def dora(alice: Person, bob: Person, room: UUID) -> Person:
    """A former moderator of `room`, who removed Bob from it and then left."""
    dora = make_person("dora")
    add(alice, room, dora, role="moderator")
    services.remove_member(user_id=dora.id, room_id=room, member_id=bob.id)
    services.leave_room(user_id=dora.id, room_id=room)
    return dora


def payloads_of(room: UUID) -> list[bytes]:
    return [notice.payload for notice in read_page(room_id=room, after=0, limit=200).notices]


@pytest.mark.parametrize("name", ["alice", "bob", "dora"], ids=["member", "former member", "actor who has left"])
def test_it_works(room: UUID, dora: Person, name: str) -> None:
    log = payloads_of(room)

    with pytest.raises(ProtectedError):
        User.objects.get(username=name).delete()
    with pytest.raises(ProtectedError):
        User.objects.filter(username=name).delete()

    assert payloads_of(room) == log
    assert len(log) == 5


def test_it_leaves_a_protected_user_signed_in(bob: Person, room: UUID) -> None:
    with pytest.raises(ProtectedError):
        User.objects.get(id=bob.id).delete()

    assert bob.principal.user.username == "bob"


def test_it_deletes_a_user_who_was_never_in_a_room(charlie: Person, room: UUID) -> None:
    User.objects.get(id=charlie.id).delete()

    assert not User.objects.filter(id=charlie.id).exists()


def test_it_protects_a_room(alice: Person, bob: Person, room: UUID) -> None:
    say(bob, room, "hi")
    log = payloads_of(room)

    with pytest.raises(ProtectedError):
        Room.objects.get(id=room).delete()
    with pytest.raises(ProtectedError):
        Room.objects.filter(id=room).delete()

    assert payloads_of(room) == log
    assert len(log) == 3


def test_everyone_in_a_log_has_a_membership(alice: Person, bob: Person, room: UUID, dora: Person) -> None:
    """An entry holds bare user ids: the protected membership is what keeps those users."""
    say(alice, room, "hi")
    archive(alice, room)
    services.update_member(user_id=alice.id, room_id=room, member_id=alice.id, patch=MemberPatch(role="owner"))

    members = set(Membership.objects.filter(room_id=room).values_list("user_id", flat=True))

    entries = Entry.objects.filter(room_id=room)
    assert set(entries.values_list("actor_id", flat=True)) <= members
    assert set(entries.exclude(user_id=None).values_list("user_id", flat=True)) <= members
    assert members == {alice.id, bob.id, dora.id}
