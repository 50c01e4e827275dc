"""The service `read_messages`."""

from uuid import UUID, uuid4

import pytest

from foundation.errors import DomainError, Invalid, NotFound
from rooms import services
from rooms.errors import NotAMember
from rooms.schema import ReadState
from tests.people import Person
from tests.services.rooms import Ear, archive, log_of, membership_of, say

pytestmark = pytest.mark.django_db


@pytest.fixture
def messages(alice: Person, room: UUID) -> list[int]:
    """The ids of three messages from Alice, which Bob has not read."""
    return say(alice, room, "one", "two", "three")


def test_it_works(bob: Person, room: UUID, messages: list[int], ear: Ear) -> None:
    assert services.read_messages(user_id=bob.id, room_id=room, message_id=2) == ReadState(read_id=2, unread=1)

    assert membership_of(bob, room).read_id == 2
    assert ear.user_events(bob) == [{"event": "read", "room": str(room), "data": {"read_id": 2, "unread": 1}}]
    assert len(ear.notices) == 1
    assert log_of(room)[2:] == ["message.created"] * 3


def test_it_sends_nothing_if_it_is_repeated(bob: Person, room: UUID, messages: list[int], ear: Ear) -> None:
    for _ in range(2):
        assert services.read_messages(user_id=bob.id, room_id=room, message_id=3) == ReadState(read_id=3, unread=0)

    assert len(ear.notices) == 1


def test_it_moves_the_cursor_back_only_with_unread(bob: Person, room: UUID, messages: list[int], ear: Ear) -> None:
    services.read_messages(user_id=bob.id, room_id=room, message_id=3)

    assert services.read_messages(user_id=bob.id, room_id=room, message_id=1).read_id == 3
    assert len(ear.notices) == 1

    state = services.read_messages(user_id=bob.id, room_id=room, message_id=1, unread=True)
    assert state == ReadState(read_id=1, unread=2)
    assert [event["data"]["read_id"] for event in ear.user_events(bob)] == [3, 1]


def test_it_marks_every_message_as_unread(bob: Person, room: UUID, messages: list[int]) -> None:
    services.read_messages(user_id=bob.id, room_id=room, message_id=3)

    state = services.read_messages(user_id=bob.id, room_id=room, message_id=0, unread=True)

    assert state == ReadState(read_id=0, unread=3)


@pytest.mark.parametrize("unread", [True, False])
def test_it_refuses_an_id_beyond_the_last_message(
    bob: Person, room: UUID, messages: list[int], unread: bool, ear: Ear
) -> None:
    with pytest.raises(Invalid) as refusal:
        services.read_messages(user_id=bob.id, room_id=room, message_id=4, unread=unread)

    assert refusal.value.field == "id"
    assert membership_of(bob, room).read_id == 0
    assert ear.notices == []


def test_it_keeps_the_cursors_of_other_members(alice: Person, bob: Person, room: UUID, messages: list[int]) -> None:
    services.read_messages(user_id=bob.id, room_id=room, message_id=1)

    assert membership_of(alice, room).read_id == 3


def test_it_moves_the_cursor_in_an_archived_room(alice: Person, bob: Person, room: UUID, messages: list[int]) -> None:
    archive(alice, room)

    assert services.read_messages(user_id=bob.id, room_id=room, message_id=3).unread == 0


def test_it_refuses_a_non_member(charlie: Person, room: UUID, public_room: UUID, ear: Ear) -> None:
    cases: list[tuple[UUID, type[DomainError]]] = [(room, NotFound), (public_room, NotAMember), (uuid4(), NotFound)]
    for room_id, refusal in cases:
        with pytest.raises(refusal):
            services.read_messages(user_id=charlie.id, room_id=room_id, message_id=0)

    assert ear.notices == []
