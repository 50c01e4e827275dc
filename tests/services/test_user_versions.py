"""The versions of users: every change that concerns a user has its own, in the order of the commits."""

import random
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from django.db import connection, transaction
from pytest_django import DjangoAssertNumQueries

from rooms import services
from rooms.models import Membership
from rooms.notices import UserNotice
from rooms.user_versions import raise_versions, versions_by_user
from tests.engine import only_on
from tests.people import Person, make_person
from tests.services.rooms import Ear, add, make_room, membership_of, say, together

SAVEPOINT = 2  # queries that a transaction costs inside the transaction of a test
ROUNDS = 8


def version_of(user_id: UUID) -> int:
    return versions_by_user([user_id]).get(user_id, 0)


def marks_of(person: Person, room: UUID) -> tuple[int, int, int]:
    """Returns the versions of the last change of any kind, of the addition, and of the last `read`."""
    row = membership_of(person, room)
    return row.user_version, row.added_version, row.read_version


@pytest.mark.django_db
def test_it_works(alice: Person, bob: Person, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    assert version_of(bob.id) == 0

    with django_assert_num_queries(1):
        assert raise_versions([bob.id]) == {bob.id: 1}
    with django_assert_num_queries(1):
        assert raise_versions([bob.id, alice.id, bob.id]) == {bob.id: 2, alice.id: 1}
    with django_assert_num_queries(0):
        assert raise_versions([]) == {}

    assert (version_of(alice.id), version_of(bob.id)) == (1, 2)


@pytest.mark.django_db
def test_it_takes_one_query_for_many_users(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    ids = [make_person(f"u{number}").id for number in range(100)]

    for version in (1, 2):
        with django_assert_num_queries(1):
            assert raise_versions(ids) == dict.fromkeys(ids, version)


@pytest.mark.django_db
def test_a_change_marks_the_membership_with_its_version(alice: Person, bob: Person, ear: Ear) -> None:
    room, other = make_room(alice, bob), make_room(alice, bob)
    say(alice, room, "one")

    services.read_messages(user_id=bob.id, room_id=room, message_id=1)

    assert (marks_of(bob, room), marks_of(bob, other)) == ((3, 1, 3), (2, 2, 0))
    assert [notice.version for notice in ear.notices if isinstance(notice, UserNotice)] == [1, 2, 3]
    assert marks_of(alice, room) == (0, 0, 0)


@pytest.mark.django_db
def test_a_send_raises_no_version(alice: Person, bob: Person, room: UUID, ear: Ear) -> None:
    """It moves the sender's own read cursor, which costs nothing more."""
    say(bob, room, "one")

    assert (membership_of(bob, room).read_id, marks_of(bob, room)) == (1, (1, 1, 0))
    assert version_of(bob.id) == 1


@pytest.mark.django_db
def test_a_read_takes_three_queries_if_the_cursor_moves_and_one_if_not(
    alice: Person, bob: Person, room: UUID, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    say(alice, room, "one", "two")

    def read(message_id: int, *, unread: bool = False) -> None:
        services.read_messages(user_id=bob.id, room_id=room, message_id=message_id, unread=unread)

    with django_assert_num_queries(3 + SAVEPOINT):
        read(2)
    for message_id, unread in ((2, False), (1, False), (2, True)):
        with django_assert_num_queries(1 + SAVEPOINT):
            read(message_id, unread=unread)
    with django_assert_num_queries(3 + SAVEPOINT):
        read(1, unread=True)


# -- several at once ----------------------------------------------------------------------------------------------


def wait_for_a_lock_that_is_waited_for() -> None:
    deadline = time.monotonic() + 10
    with connection.cursor() as cursor:
        while time.monotonic() < deadline:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
            time.sleep(0.005)
    raise AssertionError("nobody waits for a lock")


@only_on("postgresql")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("change", [{"read_id": 2}, {"left_seq": 5}])
def test_a_read_that_comes_too_late_raises_no_version(
    alice: Person, bob: Person, room: UUID, change: dict[str, int], ear: Ear
) -> None:
    """It found the cursor behind, then waited for a transaction that moved the cursor or ended the membership."""
    say(alice, room, "one", "two")
    ear.notices.clear()

    def read() -> None:
        services.read_messages(user_id=bob.id, room_id=room, message_id=1)
        connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            Membership.objects.filter(room_id=room, user_id=bob.id).update(**change)
            reading = pool.submit(read)
            wait_for_a_lock_that_is_waited_for()
        reading.result()

    assert version_of(bob.id) == 1
    assert marks_of(bob, room) == (1, 1, 0)
    assert ear.notices == []


@pytest.mark.django_db(transaction=True)
def test_changes_of_the_same_users_at_once_wait_for_each_other_and_never_deadlock(alice: Person, ear: Ear) -> None:
    """Rooms are created with the same members in random order, while the members read, are removed and write."""
    order = random.Random(1)
    people = [make_person(f"u{number}") for number in range(12)]
    rooms = [make_room(alice, *people) for _ in range(3)]
    for room in rooms:
        say(alice, room, *map(str, range(ROUNDS)))
    known = {person.id: version_of(person.id) for person in people}
    ear.notices.clear()

    def create() -> None:
        for _ in range(ROUNDS):
            make_room(alice, *order.sample(people, len(people)))

    def read() -> None:
        for message_id in range(1, ROUNDS + 1):
            for person in order.sample(people[:8], 4):
                services.read_messages(
                    user_id=person.id, room_id=rooms[0], message_id=message_id, unread=bool(message_id % 2)
                )

    def write() -> None:
        for _ in range(ROUNDS):
            say(people[0], rooms[0], "hi")

    def add_and_remove() -> None:
        for person in people[8:] * 2:
            services.remove_member(user_id=alice.id, room_id=rooms[1], member_id=person.id)
            add(alice, rooms[1], person)

    assert together(create, create, read, read, write, add_and_remove) == [None] * 6

    heard = [(notice.user_id, notice.version) for notice in ear.notices if isinstance(notice, UserNotice)]
    for person in people:
        versions = sorted(version for user_id, version in heard if user_id == person.id)
        assert versions == list(range(known[person.id] + 1, version_of(person.id) + 1))
