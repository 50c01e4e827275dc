"""`Appender` on a database that refuses, breaks down, or is held by others."""

from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from django.db import connection

from foundation.errors import Unavailable
from messaging.append.appender import ATTEMPTS, Appender
from messaging.append.decide import Busy
from messaging.services import send
from messaging.wire.actions import Send
from tests.people import Person
from tests.services.appends import (
    HELD,
    LOST,
    REFUSED,
    UNHEARD,
    Failing,
    Picky,
    Watching,
    append,
    places,
    refusal_of,
    submission,
    submissions,
    texts,
)
from tests.services.locks import held
from tests.services.rooms import Ear, log_of, make_room

pytestmark = pytest.mark.django_db
on_postgresql = pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite locks the whole database")


@pytest.mark.django_db(transaction=True)
def test_it_works(alice: Person, room: UUID, ear: Ear) -> None:
    store = Failing()

    assert places(append(*submissions(alice, [room], 2), by=Appender(store))) == [(1, 3), (2, 4)]

    assert store.transactions == 1
    assert (texts(room), ear.changes(room)) == (["0", "1"], [(3, "message.created"), (4, "message.created")])


# -- what the database refuses ------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [0, 3, 6])
def test_it_sends_the_others_of_a_batch_that_one_spoils(alice: Person, room: UUID, bad: int, ear: Ear) -> None:
    batch = submissions(alice, [room, make_room(alice)], 7)
    ear.notices.clear()

    verdicts = append(*batch, by=Appender(Picky(str(bad))))

    codes = [verdict if isinstance(verdict, str) else "sent" for verdict in places(verdicts)]
    assert codes == ["internal" if number == bad else "sent" for number in range(7)]
    assert texts(room) == [str(number) for number in (0, 2, 4, 6) if number != bad]
    assert [seq for seq, _ in ear.changes(room)] == list(range(3, 3 + len(texts(room))))
    assert log_of(room)[2:] == ["message.created"] * len(texts(room))


@pytest.mark.django_db(transaction=True)
def test_it_keeps_the_order_of_a_room_that_is_busy_for_half_of_a_batch(alice: Person, room: UUID) -> None:
    other, held_twice = make_room(alice), [HELD] * (2 if connection.vendor == "postgresql" else 1)
    appender = Appender(Failing(REFUSED, *held_twice))
    batch = [
        submission(alice, room, "a"),
        submission(alice, room, "b"),
        submission(alice, other, "c"),
        submission(alice, room, "d"),
    ]

    verdicts = append(*batch, by=appender)

    assert [type(verdict) is Busy for verdict in verdicts] == [True, True, False, True]
    assert (texts(room), texts(other)) == ([], ["c"])


def test_it_refuses_all_that_the_database_cannot_hold(alice: Person, room: UUID, ear: Ear) -> None:
    batch = submissions(alice, [room], 5)

    verdicts = append(*batch, by=Appender(Picky("0", "1", "3")))

    assert places(verdicts) == ["internal", "internal", (1, 3), "internal", (2, 4)]
    assert texts(room) == ["2", "4"]
    assert [seq for seq, _ in ear.changes(room)] == [3, 4]


@on_postgresql
def test_it_survives_what_postgresql_cannot_hold(alice: Person, room: UUID) -> None:
    batch = [submission(alice, room, "a"), submission(alice, room, "b\x00"), submission(alice, room, "c")]

    assert places(append(*batch)) == [(1, 3), "internal", (2, 4)]


# -- connections that are lost ------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("failures", [1, ATTEMPTS - 1])
def test_it_appends_once_after_a_failure_before_the_commit(alice: Person, room: UUID, failures: int, ear: Ear) -> None:
    batch = submissions(alice, [room], 3)
    store = Failing(*[LOST] * failures)

    verdicts = append(*batch, by=Appender(store))

    assert places(verdicts) == [(1, 3), (2, 4), (3, 5)]
    assert texts(room) == ["0", "1", "2"]
    assert [seq for seq, _ in ear.changes(room)] == [3, 4, 5]
    assert store.transactions == failures + 1


@pytest.mark.django_db(transaction=True)
def test_it_appends_once_where_the_commit_went_through_unheard(alice: Person, room: UUID, ear: Ear) -> None:
    batch = [*submissions(alice, [room], 3), submission(alice, room, "keyed", client_id="c-1")]

    verdicts = append(*batch, by=Appender(Failing(UNHEARD)))

    assert places(verdicts) == [(1, 3), (2, 4), (3, 5), (4, 6)]
    assert texts(room) == ["0", "1", "2", "keyed"]
    assert log_of(room)[2:] == ["message.created"] * 4
    assert (ear.changes(room), ear.hints(room)) == ([], [3, 4, 5, 6])


@pytest.mark.django_db(transaction=True)
def test_it_does_not_know_the_outcome_of_what_fails_always(alice: Person, room: UUID, ear: Ear) -> None:
    store = Failing(*[LOST] * ATTEMPTS)

    verdicts = append(*submissions(alice, [room], 2), by=Appender(store))

    assert places(verdicts) == ["unavailable"] * 2
    assert {type(verdict) for verdict in verdicts} == {Unavailable}
    assert refusal_of(verdicts[0]).retry_after
    assert store.transactions == ATTEMPTS
    assert (texts(room), ear.notices) == ([], [])


@pytest.mark.django_db(transaction=True)
def test_it_finds_in_a_retry_what_it_had_to_leave_open(alice: Person, room: UUID, ear: Ear) -> None:
    said = submission(alice, room, client_id="c-1")
    assert places(append(said, by=Appender(Failing(*[UNHEARD] * ATTEMPTS)))) == ["unavailable"]

    assert places(append(said)) == [(1, 3)]
    assert (texts(room), ear.hints(room)) == (["hi"], [3])


# -- rooms that others hold ---------------------------------------------------------------------------------------


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_it_lets_the_other_rooms_go_on_beside_one_that_is_held(alice: Person, room: UUID, ear: Ear) -> None:
    other = make_room(alice)
    ear.notices.clear()
    store = Watching()
    batch = [
        submission(alice, room, "a"),
        submission(alice, other, "b"),
        submission(alice, uuid4(), "c"),
        submission(alice, room, "d"),
    ]

    with held(room):
        verdicts = append(*batch, by=Appender(store))

    assert places(verdicts) == ["overloaded", (1, 2), "not_found", "overloaded"]
    assert type(verdicts[0]) is type(verdicts[3]) is Busy
    assert store.skipped == [False, True]
    assert (texts(room), texts(other)) == ([], ["b"])
    assert ear.changes(room) == []
    assert places(append(batch[0], batch[3])) == [(1, 3), (2, 4)]


@pytest.fixture
def impatience(transactional_db: None) -> Iterator[None]:
    """A lock is waited for a moment only."""
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '200ms'")
        yield
        cursor.execute("RESET lock_timeout")


@on_postgresql
def test_it_waits_once_for_a_room_that_is_held_for_long(impatience: None, alice: Person, room: UUID) -> None:
    store = Watching()
    appender, said = Appender(store), submission(alice, room)

    with held(room):
        assert [type(append(said, by=appender)[0]) for _ in range(3)] == [Busy] * 3
    assert store.skipped == [False, True, True, True]

    assert places(append(said, by=appender)) == [(1, 3)]
    assert places(append(submission(alice, room), by=appender)) == [(2, 4)]
    assert store.skipped[4:] == [True, False]


@on_postgresql
def test_the_process_remembers_a_held_room_from_one_rest_call_to_the_next(
    impatience: None, alice: Person, room: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Watching()
    monkeypatch.setattr(send, "appender", Appender(store))

    with held(room):
        for _ in range(2):
            with pytest.raises(Busy):
                send.send_message(Send(room=room, text="hi"), sender=alice.principal)

    assert store.skipped == [False, True, True]


@pytest.mark.django_db(transaction=True)
def test_it_is_busy_where_all_is_held_twice(alice: Person, room: UUID, ear: Ear) -> None:
    (verdict,) = append(submission(alice, room), by=Appender(Failing(HELD, HELD)))

    assert type(verdict) is Busy
    assert refusal_of(verdict).retry_after
    assert (texts(room), ear.notices) == ([], [])


@pytest.mark.django_db(transaction=True)
def test_it_is_not_sure_of_what_may_have_been_committed_before_the_room_was_held(alice: Person, room: UUID) -> None:
    """`Busy` means surely not committed: here it was."""
    (verdict,) = append(submission(alice, room), by=Appender(Failing(UNHEARD, HELD, HELD)))

    assert texts(room) == ["hi"]
    assert type(verdict) is Unavailable


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_it_answers_where_the_lock_times_out_after_lost_connections(alice: Person, room: UUID, ear: Ear) -> None:
    store = Failing(*[LOST] * (ATTEMPTS - 1), HELD, HELD)

    (verdict,) = append(submission(alice, room), by=Appender(store))

    assert refusal_of(verdict).code in {"overloaded", "unavailable"}
    assert ear.notices == []
