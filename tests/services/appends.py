"""Submissions, and stores that fail as databases do, for the tests of `Appender`."""

import re
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import IO, Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, DataError, OperationalError, connection
from psycopg.errors import LockNotAvailable

from foundation.errors import DomainError
from messaging.append.appender import Appender
from messaging.append.decide import Decision, State, Verdict
from messaging.append.store import DatabaseStore
from messaging.append.submissions import Submission, submission_of
from messaging.models import Message
from messaging.wire.actions import Send
from messaging.wire.shapes import Sent
from rooms.broadcast import broadcast
from rooms.schema import LockedHead
from tests.people import Person


def submission(person: Person, room_id: UUID, text: str = "hi", **send: Any) -> Submission:
    """Returns the submission that the socket or REST would build. Checks the access token of `person`."""
    action = Send(room=room_id, text=text, **send)
    return submission_of(action, sender=person.principal, secret_keys=settings.ROOMLOG_DIGEST_KEYS)


def submissions(person: Person, rooms: Sequence[UUID], count: int, *, text: str | None = None) -> list[Submission]:
    """Returns `count` submissions, which go to `rooms` in turn. Without a `text`, each has its number."""
    principal = person.principal
    sends = [Send(room=rooms[number % len(rooms)], text=text or str(number)) for number in range(count)]
    return [submission_of(send, sender=principal, secret_keys=settings.ROOMLOG_DIGEST_KEYS) for send in sends]


def append(*submissions: Submission, by: Appender | None = None) -> list[Verdict]:
    """Appends and broadcasts, as the socket and REST do."""
    verdicts, notices = (by or Appender()).append(submissions)
    broadcast(notices)
    return verdicts


def outcomes(verdicts: Sequence[Verdict]) -> list[tuple[int, int] | str]:
    """Returns (id, seq) for each accepted submission, and the error code for each refused one."""
    return [(verdict.id, verdict.seq) if isinstance(verdict, Sent) else verdict.code for verdict in verdicts]


def refusal_of(verdict: object) -> DomainError:
    assert isinstance(verdict, DomainError), verdict
    return verdict


def texts(room_id: UUID) -> list[str]:
    """Returns the texts of the room's messages, in order. Asserts that their ids are 1, 2, 3 and so on."""
    rows = list(Message.objects.filter(room_id=room_id).order_by("seq").values_list("id", "text"))
    assert [row[0] for row in rows] == list(range(1, len(rows) + 1))
    return [row[1] for row in rows]


@contextmanager
def counted_statements() -> Iterator[Callable[[], int]]:
    """Yields a function that returns how many statements the driver has sent. A change of many rows counts once."""
    connection.ensure_connection()
    if connection.vendor == "sqlite":
        statements: list[str] = []
        connection.connection.set_trace_callback(statements.append)
        yield (
            lambda: (
                sum(not _is_change(text) for text in statements)
                + len({text.split("(")[0].split("=")[0] for text in statements if _is_change(text)})
            )
        )
        connection.connection.set_trace_callback(None)
    else:
        with TemporaryFile("w+") as trace:
            connection.connection.pgconn.trace(trace.fileno())
            yield lambda: len(re.findall(r"\t(?:Execute|Query)\t", _text_of(trace)))
            connection.connection.pgconn.untrace()


def _is_change(statement: str) -> bool:
    return statement.startswith(("INSERT", "UPDATE"))


def _text_of(file: IO[str]) -> str:
    file.seek(0)
    return file.read()


class RefusingStore(DatabaseStore):
    """Raises `DataError` for a batch that holds one of `texts`."""

    def __init__(self, *texts: str) -> None:
        self.texts = set(texts)

    def write(self, state: State, decision: Decision) -> None:
        super().write(state, decision)
        if self.texts & {row.submission.text for row in decision.accepted}:
            raise DataError("invalid byte sequence")


class Failure(NamedTuple):
    """How a transaction fails: before the commit or, if `committed`, after it, so that its outcome is unknown."""

    error: DatabaseError
    committed: bool = False


CONNECTION_LOST = Failure(OperationalError("server closed the connection unexpectedly"))
COMMIT_UNKNOWN = Failure(CONNECTION_LOST.error, committed=True)
DATA_REFUSED = Failure(DataError("invalid byte sequence"))
LOCK_TIMEOUT = Failure(OperationalError("database is locked"))
if connection.vendor == "postgresql":
    LOCK_TIMEOUT.error.__cause__ = LockNotAvailable()


class FailingStore(DatabaseStore):
    """Its first transactions fail with `failures`, one each. Later ones succeed."""

    def __init__(self, *failures: Failure) -> None:
        self.failures = failures
        self.transactions = 0

    @contextmanager
    def transaction(self) -> Iterator[None]:  # type: ignore[override]
        failure = self.failures[self.transactions] if self.transactions < len(self.failures) else None
        self.transactions += 1
        with super().transaction():
            yield
            if failure and not failure.committed:
                raise failure.error
        if failure:
            raise failure.error


class RecordingStore(DatabaseStore):
    """Records the `skip_locked` of each call of `lock_heads`."""

    def __init__(self) -> None:
        self.skipped: list[bool] = []

    def lock_heads(self, room_ids: Set[UUID], *, skip_locked: bool) -> tuple[dict[UUID, LockedHead], frozenset[UUID]]:
        self.skipped.append(skip_locked)
        return super().lock_heads(room_ids, skip_locked=skip_locked)
