"""The service `update_room`."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from foundation.errors import DomainError, Forbidden, NotFound
from rooms import services
from rooms.errors import Archived, NotAMember
from rooms.models import Room
from rooms.permissions import Role
from rooms.schema import RoomPatch
from tests.people import Person
from tests.services.rooms import Ear, archive, log_of, set_role

pytestmark = pytest.mark.django_db


def test_it_works(alice: Person, room: UUID, ear: Ear) -> None:
    patch = RoomPatch(name="Coffee", topic="Beans", avatar_url="https://example.org/b.png", data={"hot": 1})

    changed = services.update_room(user_id=alice.id, room_id=room, patch=patch)

    assert (changed.name, changed.topic, changed.avatar_url, changed.data) == (
        "Coffee", "Beans", "https://example.org/b.png", {"hot": 1},
    )  # fmt: skip
    assert Room.objects.get(id=room).name == "Coffee"
    assert log_of(room)[2:] == ["room.updated"]
    (event,) = ear.heard(room)
    assert (event.seq, event.event, event.actor, event.evicts) == (3, "room.updated", alice.id, None)
    assert (event.data["name"], event.data["data"]) == ("Coffee", {"hot": 1})
    assert len(ear.notices) == 1


def test_it_keeps_fields_that_are_not_given(alice: Person, room: UUID) -> None:
    services.update_room(user_id=alice.id, room_id=room, patch=RoomPatch(topic="Leaves"))

    changed = services.update_room(user_id=alice.id, room_id=room, patch=RoomPatch(data={"n": 1}))

    assert (changed.name, changed.topic, changed.data) == ("Tea", "Leaves", {"n": 1})


@pytest.mark.parametrize("patch", [RoomPatch(), RoomPatch(name="Tea", data={}), RoomPatch(archived=False)])
def test_it_writes_no_entry_if_nothing_changes(alice: Person, room: UUID, patch: RoomPatch, ear: Ear) -> None:
    assert services.update_room(user_id=alice.id, room_id=room, patch=patch).name == "Tea"

    assert log_of(room)[2:] == []
    assert ear.notices == []


def test_it_archives_and_restores_a_room(alice: Person, room: UUID, ear: Ear) -> None:
    assert archive(alice, room).archived_at is not None
    restored = services.update_room(user_id=alice.id, room_id=room, patch=RoomPatch(archived=False))

    assert restored.archived_at is None
    assert log_of(room)[2:] == ["room.updated"] * 2
    first, second = ear.heard(room)
    assert first.data["archived_at"] is not None
    assert second.data["archived_at"] is None


def test_it_keeps_the_time_of_the_first_archiving(alice: Person, room: UUID) -> None:
    assert archive(alice, room).archived_at == archive(alice, room).archived_at
    assert log_of(room)[2:] == ["room.updated"]


def test_it_refuses_to_change_the_settings_of_an_archived_room(alice: Person, room: UUID, ear: Ear) -> None:
    archive(alice, room)

    for patch in (RoomPatch(name="Coffee"), RoomPatch(name="Coffee", archived=True)):
        with pytest.raises(Archived):
            services.update_room(user_id=alice.id, room_id=room, patch=patch)

    assert ear.changes(room) == [(3, "room.updated")]
    assert Room.objects.get(id=room).name == "Tea"


def test_it_changes_settings_while_it_archives_or_restores_a_room(alice: Person, room: UUID) -> None:
    services.update_room(user_id=alice.id, room_id=room, patch=RoomPatch(name="Closed", archived=True))
    restored = services.update_room(user_id=alice.id, room_id=room, patch=RoomPatch(name="Open", archived=False))

    assert (restored.name, restored.archived_at) == ("Open", None)
    assert log_of(room)[2:] == ["room.updated"] * 2


@pytest.mark.parametrize(
    ("role", "patch", "is_allowed"),
    [
        (Role.MEMBER, RoomPatch(name="Coffee"), False),
        (Role.MEMBER, RoomPatch(), False),
        (Role.MODERATOR, RoomPatch(name="Coffee"), False),
        (Role.ADMIN, RoomPatch(name="Coffee"), True),
        (Role.ADMIN, RoomPatch(archived=True), False),
        (Role.ADMIN, RoomPatch(name="Coffee", archived=True), False),
        (Role.OWNER, RoomPatch(name="Coffee", archived=True), True),
    ],
)
def test_it_requires_the_role(
    bob: Person, room: UUID, role: Role, patch: RoomPatch, is_allowed: bool, ear: Ear
) -> None:
    set_role(bob, room, role)
    if is_allowed:
        services.update_room(user_id=bob.id, room_id=room, patch=patch)
    else:
        with pytest.raises(Forbidden):
            services.update_room(user_id=bob.id, room_id=room, patch=patch)

    assert ear.changes(room) == ([(3, "room.updated")] if is_allowed else [])
    assert log_of(room)[2:] == (["room.updated"] if is_allowed else [])


def test_it_refuses_a_non_member(charlie: Person, room: UUID, public_room: UUID, ear: Ear) -> None:
    cases: list[tuple[UUID, type[DomainError]]] = [(room, NotFound), (public_room, NotAMember), (uuid4(), NotFound)]
    for room_id, refusal in cases:
        with pytest.raises(refusal):
            services.update_room(user_id=charlie.id, room_id=room_id, patch=RoomPatch(name="Mine"))

    assert ear.notices == []


def test_it_stores_custom_data_unchanged(alice: Person, room: UUID) -> None:
    data: dict[str, Any] = {"text": "ü 👍", "number": 1.5, "list": [None, True, {"deep": []}], "": 2**53 - 1}

    services.update_room(user_id=alice.id, room_id=room, patch=RoomPatch(data=data))

    assert Room.objects.get(id=room).data == data
