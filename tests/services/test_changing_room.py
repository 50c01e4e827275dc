"""The context manager `changing_room`: lock, time, authority, entries, commit, broadcast, in this order."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from uuid import UUID, uuid4

import pytest
from django.db import connection

from foundation.errors import Forbidden, NotFound
from messaging.services.send import send_message
from messaging.wire.actions import Send
from rooms import log, services
from rooms.change import changing_room
from rooms.errors import NotAMember
from rooms.events import MemberUpdated, RoomUpdated
from rooms.models import Entry, Room
from rooms.permissions import Permission
from rooms.schema import MemberPatch, NewMember, RoomPatch
from rooms.selectors import room_of
from rooms.services.admission import append_member_change
from tests.people import Person
from tests.services.locks import locked
from tests.services.rooms import Ear, log_of

WAIT_S = 0.2


@pytest.mark.django_db(transaction=True)
def test_it_works(alice: Person, room: UUID, ear: Ear) -> None:
    with changing_room(room, user_id=alice.id) as (change, access):
        assert change.next_seq == 3
        change.append(RoomUpdated, room_of(access.room), actor_id=alice.id)
        append_member_change(change, MemberUpdated, access.membership, by=access.membership.user)
        assert (change.next_seq, ear.notices) == (5, [])

    assert log_of(room)[2:] == ["room.updated", "member.updated"]
    assert ear.changes(room) == [(3, "room.updated"), (4, "member.updated")]
    assert {entry.at for entry in Entry.objects.filter(room_id=room, seq__gt=2)} == {change.at}


@pytest.mark.django_db(transaction=True)
def test_it_writes_and_broadcasts_nothing_if_nothing_was_appended(alice: Person, room: UUID, ear: Ear) -> None:
    with changing_room(room, user_id=alice.id):
        pass

    assert (len(log_of(room)), ear.notices) == (2, [])


@pytest.mark.django_db(transaction=True)
def test_it_rolls_back_if_the_service_refuses(alice: Person, room: UUID, ear: Ear) -> None:
    with pytest.raises(Forbidden), changing_room(room, user_id=alice.id) as (change, access):
        Room.objects.filter(id=room).update(name="Gone")
        change.append(RoomUpdated, room_of(access.room), actor_id=alice.id)
        raise Forbidden

    assert (len(log_of(room)), ear.notices) == (2, [])
    assert Room.objects.get(id=room).name != "Gone"


@pytest.mark.django_db(transaction=True)
def test_it_checks_membership_and_permission(bob: Person, charlie: Person, room: UUID, public_room: UUID) -> None:
    with pytest.raises(Forbidden), changing_room(room, user_id=bob.id, permission=Permission.ARCHIVE):
        raise AssertionError
    with pytest.raises(NotFound), changing_room(room, user_id=charlie.id):
        raise AssertionError
    with pytest.raises(NotAMember), changing_room(public_room, user_id=charlie.id):
        raise AssertionError
    with pytest.raises(NotFound), changing_room(uuid4(), user_id=bob.id):
        raise AssertionError


def act_while_locked(room: UUID, act: Callable[[], object]) -> datetime:
    """Calls `act` while another connection locks the room's head. Returns the time just before the lock is released."""

    def call() -> None:
        try:
            act()
        finally:
            connection.close()

    with ThreadPoolExecutor() as threads:
        with locked(room):
            acting = threads.submit(call)
            time.sleep(WAIT_S)
            released_at = log.now()
        acting.result()
    return released_at


Act = Callable[[Person, Person, Person, UUID], object]
CHANGES: dict[str, Act] = {
    "send_message": lambda alice, bob, charlie, room: send_message(Send(room=room, text="hi"), sender=alice.principal),
    "add_member": lambda alice, bob, charlie, room: services.add_member(
        user_id=alice.id, room_id=room, new=NewMember(user=charlie.id)
    ),
    "remove_member": lambda alice, bob, charlie, room: services.remove_member(
        user_id=alice.id, room_id=room, member_id=bob.id
    ),
    "leave_room": lambda alice, bob, charlie, room: services.leave_room(user_id=bob.id, room_id=room),
    "update_member": lambda alice, bob, charlie, room: services.update_member(
        user_id=alice.id, room_id=room, member_id=bob.id, patch=MemberPatch(role="admin")
    ),
    "update_room": lambda alice, bob, charlie, room: services.update_room(
        user_id=alice.id, room_id=room, patch=RoomPatch(topic="Leaves", archived=True)
    ),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", CHANGES)
def test_it_reads_the_clock_after_it_locks_the_head(
    name: str, alice: Person, bob: Person, charlie: Person, room: UUID
) -> None:
    """Otherwise an entry could be older than the entry before it."""
    released_at = act_while_locked(room, lambda: CHANGES[name](alice, bob, charlie, room))

    assert times_of(room)[-1] >= released_at
    assert times_of(room) == sorted(times_of(room))
    archived_at = Room.objects.get(id=room).archived_at
    assert archived_at is None or archived_at >= released_at


@pytest.mark.django_db(transaction=True)
def test_it_reads_the_clock_after_it_locks_the_head_for_a_join(charlie: Person, public_room: UUID) -> None:
    released_at = act_while_locked(public_room, lambda: services.join_room(user_id=charlie.id, room_id=public_room))

    assert times_of(public_room)[-1] >= released_at


def times_of(room: UUID) -> list[datetime]:
    return list(Entry.objects.filter(room_id=room).order_by("seq").values_list("at", flat=True))


@pytest.mark.django_db(transaction=True)
def test_it_refuses_a_stranger_without_waiting_for_the_lock(bob: Person, charlie: Person, room: UUID) -> None:
    with locked(room):
        with pytest.raises(NotFound), changing_room(room, user_id=charlie.id):
            raise AssertionError
        with pytest.raises(Forbidden), changing_room(room, user_id=bob.id, permission=Permission.ARCHIVE):
            raise AssertionError
