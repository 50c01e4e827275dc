"""`Appender` on a database that refuses data, drops connections, or has locked rooms."""

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
    COMMIT_UNKNOWN,
    CONNECTION_LOST,
    DATA_REFUSED,
    LOCK_TIMEOUT,
    FailingStore,
    RecordingStore,
    RefusingStore,
    append,
    outcomes,
    refusal_of,
    submission,
    submissions,
    texts,
)
from tests.services.locks import locked
from tests.services.rooms import Ear, log_of, make_room

pytestmark = pytest.mark.django_db
on_postgresql = pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite locks the whole database")


@pytest.mark.django_db(transaction=True)
def test_it_works(alice: Person, room: UUID, ear: Ear) -> None:
    store = FailingStore()

    assert outcomes(append(*submissions(alice, [room], 2), by=Appender(store))) == [(1, 3), (2, 4)]

    assert store.transactions == 1
    assert (texts(room), ear.changes(room)) == (["0", "1"], [(3, "message.created"), (4, "message.created")])


# -- refused data -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [0, 3, 6])
def test_it_appends_the_rest_of_a_batch_that_holds_refused_data(alice: Person, room: UUID, bad: int, ear: Ear) -> None:
    batch = submissions(alice, [room, make_room(alice)], 7)
    ear.notices.clear()

    verdicts = append(*batch, by=Appender(RefusingStore(str(bad))))

    codes = [verdict if isinstance(verdict, str) else "sent" for verdict in outcomes(verdicts)]
    assert codes == ["internal" if number == bad else "sent" for number in range(7)]
    assert texts(room) == [str(number) for number in (0, 2, 4, 6) if number != bad]
    assert [seq for seq, _ in ear.changes(room)] == list(range(3, 3 + len(texts(room))))
    assert log_of(room)[2:] == ["message.created"] * len(texts(room))


@pytest.mark.django_db(transaction=True)
def test_it_keeps_the_order_of_a_room_that_is_busy_for_half_of_the_batch(alice: Person, room: UUID) -> None:
    other, timeouts = make_room(alice), [LOCK_TIMEOUT] * (2 if connection.vendor == "postgresql" else 1)
    appender = Appender(FailingStore(DATA_REFUSED, *timeouts))
    batch = [
        submission(alice, room, "a"),
        submission(alice, room, "b"),
        submission(alice, other, "c"),
        submission(alice, room, "d"),
    ]

    verdicts = append(*batch, by=appender)

    assert [type(verdict) is Busy for verdict in verdicts] == [True, True, False, True]
    assert (texts(room), texts(other)) == ([], ["c"])


def test_it_refuses_every_submission_that_the_database_refuses(alice: Person, room: UUID, ear: Ear) -> None:
    batch = submissions(alice, [room], 5)

    verdicts = append(*batch, by=Appender(RefusingStore("0", "1", "3")))

    assert outcomes(verdicts) == ["internal", "internal", (1, 3), "internal", (2, 4)]
    assert texts(room) == ["2", "4"]
    assert [seq for seq, _ in ear.changes(room)] == [3, 4]


@on_postgresql
def test_it_refuses_a_text_that_postgresql_cannot_store(alice: Person, room: UUID) -> None:
    batch = [submission(alice, room, "a"), submission(alice, room, "b\x00"), submission(alice, room, "c")]

    assert outcomes(append(*batch)) == [(1, 3), "internal", (2, 4)]


# -- lost connections ---------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("failures", [1, ATTEMPTS - 1])
def test_it_appends_once_if_the_connection_is_lost_before_the_commit(
    alice: Person, room: UUID, failures: int, ear: Ear
) -> None:
    batch = submissions(alice, [room], 3)
    store = FailingStore(*[CONNECTION_LOST] * failures)

    verdicts = append(*batch, by=Appender(store))

    assert outcomes(verdicts) == [(1, 3), (2, 4), (3, 5)]
    assert texts(room) == ["0", "1", "2"]
    assert [seq for seq, _ in ear.changes(room)] == [3, 4, 5]
    assert store.transactions == failures + 1


@pytest.mark.django_db(transaction=True)
def test_it_appends_once_if_the_connection_is_lost_after_the_commit(alice: Person, room: UUID, ear: Ear) -> None:
    batch = [*submissions(alice, [room], 3), submission(alice, room, "keyed", client_id="c-1")]

    verdicts = append(*batch, by=Appender(FailingStore(COMMIT_UNKNOWN)))

    assert outcomes(verdicts) == [(1, 3), (2, 4), (3, 5), (4, 6)]
    assert texts(room) == ["0", "1", "2", "keyed"]
    assert log_of(room)[2:] == ["message.created"] * 4
    assert (ear.changes(room), ear.hints(room)) == ([], [3, 4, 5, 6])


@pytest.mark.django_db(transaction=True)
def test_it_answers_unavailable_after_the_last_attempt(alice: Person, room: UUID, ear: Ear) -> None:
    store = FailingStore(*[CONNECTION_LOST] * ATTEMPTS)

    verdicts = append(*submissions(alice, [room], 2), by=Appender(store))

    assert outcomes(verdicts) == ["unavailable"] * 2
    assert {type(verdict) for verdict in verdicts} == {Unavailable}
    assert refusal_of(verdicts[0]).retry_after
    assert store.transactions == ATTEMPTS
    assert (texts(room), ear.notices) == ([], [])


@pytest.mark.django_db(transaction=True)
def test_it_finds_the_committed_message_on_a_retry(alice: Person, room: UUID, ear: Ear) -> None:
    message = submission(alice, room, client_id="c-1")
    assert outcomes(append(message, by=Appender(FailingStore(*[COMMIT_UNKNOWN] * ATTEMPTS)))) == ["unavailable"]

    assert outcomes(append(message)) == [(1, 3)]
    assert (texts(room), ear.hints(room)) == (["hi"], [3])


# -- locked rooms -------------------------------------------------------------------------------------------------


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_it_appends_to_the_other_rooms_if_one_is_locked(alice: Person, room: UUID, ear: Ear) -> None:
    other = make_room(alice)
    ear.notices.clear()
    store = RecordingStore()
    batch = [
        submission(alice, room, "a"),
        submission(alice, other, "b"),
        submission(alice, uuid4(), "c"),
        submission(alice, room, "d"),
    ]

    with locked(room):
        verdicts = append(*batch, by=Appender(store))

    assert outcomes(verdicts) == ["overloaded", (1, 2), "not_found", "overloaded"]
    assert type(verdicts[0]) is type(verdicts[3]) is Busy
    assert store.skipped == [False, True]
    assert (texts(room), texts(other)) == ([], ["b"])
    assert ear.changes(room) == []
    assert outcomes(append(batch[0], batch[3])) == [(1, 3), (2, 4)]


@pytest.fixture
def short_lock_timeout(transactional_db: None) -> Iterator[None]:
    """Shortens the time that PostgreSQL waits for a lock."""
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '200ms'")
        yield
        cursor.execute("RESET lock_timeout")


@on_postgresql
def test_it_waits_only_once_for_a_room_that_stays_locked(short_lock_timeout: None, alice: Person, room: UUID) -> None:
    store = RecordingStore()
    appender, message = Appender(store), submission(alice, room)

    with locked(room):
        assert [type(append(message, by=appender)[0]) for _ in range(3)] == [Busy] * 3
    assert store.skipped == [False, True, True, True]

    assert outcomes(append(message, by=appender)) == [(1, 3)]
    assert outcomes(append(submission(alice, room), by=appender)) == [(2, 4)]
    assert store.skipped[4:] == [True, False]


@on_postgresql
def test_it_remembers_a_locked_room_from_one_rest_call_to_the_next(
    short_lock_timeout: None, alice: Person, room: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RecordingStore()
    monkeypatch.setattr(send, "appender", Appender(store))

    with locked(room):
        for _ in range(2):
            with pytest.raises(Busy):
                send.send_message(Send(room=room, text="hi"), sender=alice.principal)

    assert store.skipped == [False, True, True]


@pytest.mark.django_db(transaction=True)
def test_it_answers_busy_if_the_lock_times_out_twice(alice: Person, room: UUID, ear: Ear) -> None:
    (verdict,) = append(submission(alice, room), by=Appender(FailingStore(LOCK_TIMEOUT, LOCK_TIMEOUT)))

    assert type(verdict) is Busy
    assert refusal_of(verdict).retry_after
    assert (texts(room), ear.notices) == ([], [])


@pytest.mark.django_db(transaction=True)
def test_it_answers_unavailable_if_the_submission_may_have_been_committed(alice: Person, room: UUID) -> None:
    """`Busy` means that the submission was certainly not committed. Here it was."""
    (verdict,) = append(submission(alice, room), by=Appender(FailingStore(COMMIT_UNKNOWN, LOCK_TIMEOUT, LOCK_TIMEOUT)))

    assert texts(room) == ["hi"]
    assert type(verdict) is Unavailable


@pytest.mark.django_db(transaction=True)
def test_it_answers_unavailable_if_the_lock_times_out_after_lost_connections(
    alice: Person, room: UUID, ear: Ear
) -> None:
    store = FailingStore(*[CONNECTION_LOST] * (ATTEMPTS - 1), LOCK_TIMEOUT, LOCK_TIMEOUT)

    (verdict,) = append(submission(alice, room), by=Appender(store))

    assert type(verdict) is Unavailable
    assert ear.notices == []
