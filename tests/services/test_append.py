"""`Appender`, which appends all messages."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from accounts.models import Session, User
from accounts.sessions import SessionStore
from messaging.append.appender import Appender
from messaging.models import Message
from messaging.wire.shapes import Sent
from rooms import services
from rooms.models import Membership
from tests.engine import only_on
from tests.people import Person
from tests.services.appends import append, counted_statements, outcomes, refusal_of, submission, submissions, texts
from tests.services.rooms import Ear, archive, log_of, make_room, membership_of, say, together

pytestmark = pytest.mark.django_db


def test_it_works(alice: Person, room: UUID, ear: Ear) -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)

    (sent,) = append(submission(alice, room, "hi", client_id="c-1", data={"n": 1}), by=Appender(now=lambda: moment))

    assert sent == Sent(room=room, id=1, seq=3, created_at="2026-01-02T03:04:05.678Z")
    message = Message.objects.get(room_id=room)
    assert (message.id, message.seq, message.sender_id, message.created_at) == (1, 3, alice.id, moment)
    assert (message.text, message.data, message.client_id, message.reply_to) == ("hi", {"n": 1}, "c-1", None)
    assert log_of(room)[2:] == ["message.created"]
    (event,) = ear.heard(room)
    assert (event.seq, event.event, event.actor, event.evicts) == (3, "message.created", alice.id, None)
    assert (event.data["text"], event.data["client_id"], event.data["data"]) == ("hi", "c-1", {"n": 1})
    assert event.data["created_at"] == sent.created_at
    assert len(ear.notices) == 1


def test_it_hides_a_client_id_that_the_server_generated(alice: Person, room: UUID, ear: Ear) -> None:
    append(submission(alice, room))

    assert Message.objects.get(room_id=room).client_id
    assert ear.heard(room)[0].data["client_id"] is None


def test_it_keeps_the_order_of_several_rooms_in_one_batch(alice: Person, bob: Person, room: UUID, ear: Ear) -> None:
    other = make_room(alice, bob)
    ear.notices.clear()

    verdicts = append(
        submission(alice, room, "a"),
        submission(bob, other, "b"),
        submission(bob, room, "c"),
        submission(alice, other, "d"),
    )

    assert outcomes(verdicts) == [(1, 3), (1, 3), (2, 4), (2, 4)]
    assert [verdict.room for verdict in verdicts if isinstance(verdict, Sent)] == [room, other, room, other]
    assert (texts(room), texts(other)) == (["a", "c"], ["b", "d"])
    assert ear.changes(room) == ear.changes(other) == [(3, "message.created"), (4, "message.created")]
    assert log_of(room) == log_of(other) == ["member.joined"] * 2 + ["message.created"] * 2


@pytest.mark.parametrize(("count", "rooms"), [(1, 1), (100, 1), (100, 5), (500, 5)])
def test_it_takes_the_same_number_of_statements_for_one_message_and_for_many(
    alice: Person, count: int, rooms: int
) -> None:
    batch = submissions(alice, [make_room(alice) for _ in range(rooms)], count)

    with counted_statements() as count_of:
        verdicts = append(*batch)
        # BEGIN and COMMIT, three reads, and four changes, which PostgreSQL makes in one statement.
        assert count_of() == (6 if connection.vendor == "postgresql" else 9)

    assert all(isinstance(verdict, Sent) for verdict in verdicts)


def test_it_gives_each_submission_its_own_verdict(
    alice: Person, charlie: Person, room: UUID, public_room: UUID, ear: Ear
) -> None:
    verdicts = append(
        submission(alice, room, "a"),
        submission(charlie, room, "b"),
        submission(charlie, public_room, "c"),
        submission(alice, uuid4(), "d"),
        submission(alice, room, "e", reply_to=1),
        submission(alice, room, "f", reply_to=9),
        submission(alice, room, "g"),
    )

    assert outcomes(verdicts) == [(1, 3), "not_found", "not_a_member", "not_found", (2, 4), "invalid", (3, 5)]
    assert texts(room) == ["a", "e", "g"]
    assert log_of(public_room) == ["member.joined"]
    assert [seq for seq, _ in ear.changes(room)] == [3, 4, 5]
    assert len(ear.notices) == 3


def test_it_writes_and_broadcasts_nothing_if_every_submission_is_refused(charlie: Person, room: UUID, ear: Ear) -> None:
    assert outcomes(append(*(submission(charlie, room) for _ in range(3)))) == ["not_found"] * 3

    assert log_of(room) == ["member.joined"] * 2
    assert ear.notices == []


@pytest.mark.django_db(transaction=True)
def test_it_numbers_messages_densely_under_concurrent_appends(alice: Person, bob: Person, room: UUID, ear: Ear) -> None:
    batches = [submissions(person, [room], 20) for person in (alice, bob, alice, bob)]

    together(*(lambda batch=batch: append(*batch) for batch in batches))

    assert len(texts(room)) == 80
    assert log_of(room)[2:] == ["message.created"] * 80
    assert sorted(seq for seq, _ in ear.changes(room)) == list(range(3, 83))


@pytest.mark.django_db(transaction=True)
def test_it_refuses_to_run_inside_a_transaction(alice: Person, room: UUID) -> None:
    message = submission(alice, room)

    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        append(message)


# -- client ids ---------------------------------------------------------------------------------------------------


def test_it_answers_a_retry_with_the_original_result(alice: Person, room: UUID, ear: Ear) -> None:
    first = append(submission(alice, room, "hi", client_id="c-1", data={"a": 1, "b": 2}))
    say(alice, room, "more")

    again = append(submission(alice, room, "hi", client_id="c-1", data={"b": 2, "a": 1}))

    assert again == first
    assert texts(room) == ["hi", "more"]
    assert ear.changes(room) == [(3, "message.created"), (4, "message.created")]
    assert ear.hints(room) == [3]


@pytest.mark.parametrize("change", [{"text": "ho"}, {"data": {"n": 2}}, {"reply_to": 1}])
def test_it_refuses_a_client_id_reused_with_other_content(
    alice: Person, room: UUID, change: dict[str, Any], ear: Ear
) -> None:
    original: dict[str, Any] = {"text": "hi", "client_id": "c-1", "data": {"n": 1}}
    append(submission(alice, room, **original))

    (verdict,) = append(submission(alice, room, **original | change))

    assert (refusal_of(verdict).code, refusal_of(verdict).field) == ("client_id_reused", "client_id")
    assert texts(room) == ["hi"]


def test_it_appends_a_client_id_repeated_in_a_batch_once(alice: Person, room: UUID, ear: Ear) -> None:
    verdicts = append(
        submission(alice, room, "hi", client_id="c-1"),
        submission(alice, room, "hi", client_id="c-1"),
        submission(alice, room, "ho", client_id="c-1"),
        submission(alice, room, "on", client_id="c-2"),
    )

    assert outcomes(verdicts) == [(1, 3), (1, 3), "client_id_reused", (2, 4)]
    assert texts(room) == ["hi", "on"]
    assert ear.changes(room) == [(3, "message.created"), (4, "message.created")]


def test_it_scopes_a_client_id_to_its_sender_and_room(alice: Person, bob: Person, room: UUID) -> None:
    other = make_room(alice)

    verdicts = append(*(submission(person, room_id, client_id="c") for person, room_id in [(alice, room), (bob, room)]))
    verdicts += append(submission(alice, other, client_id="c"))

    assert outcomes(verdicts) == [(1, 3), (2, 4), (1, 2)]


def test_it_recognizes_a_retry_by_its_digest_under_an_older_key(alice: Person, room: UUID) -> None:
    message = submission(alice, room, client_id="c-1")
    first = append(message)

    rotated = msgspec.structs.replace(message, digests=(b"n" * 16, *message.digests))

    assert append(rotated) == first
    assert outcomes(append(msgspec.structs.replace(message, digests=(b"n" * 16,)))) == ["client_id_reused"]


def test_it_answers_the_retry_of_a_removed_member(alice: Person, bob: Person, room: UUID) -> None:
    message, later = submission(bob, room, client_id="c-1"), submission(bob, room, client_id="c-2")
    first = append(message)
    services.remove_member(user_id=alice.id, room_id=room, member_id=bob.id)

    assert append(message) == first
    assert outcomes(append(later)) == ["not_found"]


@pytest.mark.django_db(transaction=True)
def test_it_appends_concurrent_retries_once(alice: Person, room: UUID) -> None:
    message = submission(alice, room, client_id="c-1")

    answers = together(*[lambda: append(message)] * 4)

    assert [outcomes(answer) for answer in answers if isinstance(answer, list)] == [[(1, 3)]] * 4
    assert texts(room) == ["hi"]


# -- authority ----------------------------------------------------------------------------------------------------


def end_session(person: Person) -> None:
    SessionStore(person.session_key).delete()


def expire_session(person: Person) -> None:
    rows = Session.objects.filter(session_key=person.session_key)
    rows.update(expire_date=timezone.now() - timedelta(seconds=1))


def deactivate(person: Person) -> None:
    User.objects.filter(id=person.id).update(is_active=False)


def raise_auth_version(person: Person) -> None:
    User.objects.filter(id=person.id).update(auth_version=F("auth_version") + 1)


@pytest.mark.parametrize("revoke", [end_session, expire_session, deactivate, raise_auth_version])
def test_it_refuses_a_submission_after_a_revocation(
    alice: Person, bob: Person, room: UUID, revoke: Any, ear: Ear
) -> None:
    message = submission(bob, room)
    revoke(bob)

    assert outcomes(append(message, submission(alice, room, "on"))) == ["unauthenticated", (1, 3)]
    assert ear.changes(room) == [(3, "message.created")]


def test_it_refuses_another_users_session(alice: Person, bob: Person, room: UUID) -> None:
    stolen = msgspec.structs.replace(submission(bob, room), session_key=alice.session_key)

    assert outcomes(append(stolen, submission(bob, room))) == ["unauthenticated", (1, 3)]


def mute(person: Person, room: UUID, for_s: float) -> None:
    until = timezone.now() + timedelta(seconds=for_s)
    Membership.objects.filter(room_id=room, user_id=person.id).update(muted_until=until)


def test_it_refuses_a_muted_member_until_the_mute_expires(alice: Person, bob: Person, room: UUID) -> None:
    mute(bob, room, for_s=60)
    assert outcomes(append(submission(bob, room), submission(alice, room))) == ["muted", (1, 3)]

    mute(bob, room, for_s=-1)
    assert outcomes(append(submission(bob, room))) == [(2, 4)]


def test_it_refuses_an_archived_room(alice: Person, bob: Person, room: UUID) -> None:
    other = make_room(bob)
    archive(alice, room)

    assert outcomes(append(submission(bob, room), submission(bob, other))) == ["archived", (1, 2)]


def test_it_refuses_a_former_member(bob: Person, room: UUID) -> None:
    message = submission(bob, room)
    services.leave_room(user_id=bob.id, room_id=room)

    assert outcomes(append(message)) == ["not_found"]


# -- read cursors -------------------------------------------------------------------------------------------------


def test_it_moves_the_senders_cursor_if_everything_before_is_read(alice: Person, bob: Person, room: UUID) -> None:
    append(*submissions(alice, [room], 3))

    assert membership_of(alice, room).read_id == 3
    assert membership_of(bob, room).read_id == 0


def test_it_keeps_the_senders_cursor_if_something_is_unread(alice: Person, bob: Person, room: UUID) -> None:
    append(submission(alice, room))

    append(submission(bob, room), submission(bob, room))
    assert membership_of(bob, room).read_id == 0

    services.read_messages(user_id=bob.id, room_id=room, message_id=3)
    append(submission(bob, room))
    assert membership_of(bob, room).read_id == 4
    assert membership_of(alice, room).read_id == 1


def test_it_stops_the_cursor_before_another_senders_message_in_the_batch(
    alice: Person, bob: Person, room: UUID
) -> None:
    append(submission(alice, room), submission(alice, room), submission(bob, room), submission(alice, room))

    assert membership_of(alice, room).read_id == 2
    assert membership_of(bob, room).read_id == 0


@only_on("postgresql")
@pytest.mark.django_db(transaction=True)
def test_it_updates_heads_and_cursors_in_place(alice: Person) -> None:
    rooms = [make_room(alice) for _ in range(20)]
    before = updates_of("rooms_head"), updates_of("rooms_membership")

    for _ in range(20):
        append(*submissions(alice, rooms, 20))

    for table, (total_before, hot_before) in zip(("rooms_head", "rooms_membership"), before, strict=True):
        total, hot = updates_of(table)
        assert total - total_before == 400
        assert hot - hot_before >= 380, table


def updates_of(table: str) -> tuple[int, int]:
    """Returns how many updates of rows there were, and how many of them touched no index (HOT updates)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT 1")
        cursor.execute("SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = %s", [table])
        total, hot = cursor.fetchone()
    return int(total), int(hot)
