"""`DatabaseThreads` calls the database for an event loop, on threads with connections of their own."""

import asyncio
import threading
from collections.abc import Iterator
from uuid import UUID

import pytest
from django.conf import settings
from django.db import OperationalError, connection, connections, transaction

from foundation.errors import DomainError, Overloaded, Unavailable
from messaging import database_threads
from messaging.database_threads import DatabaseThreads
from rooms.log import lock_head
from tests.engine import only_on

pytestmark = pytest.mark.django_db(transaction=True)

LONG_S = 5.0


@pytest.fixture
def threads() -> Iterator[DatabaseThreads]:
    threads = DatabaseThreads(1, name="one")
    yield threads
    asyncio.run(threads.run(connections.close_all))
    threads.shutdown()


def select(value: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s", [value])
        return int(cursor.fetchone()[0])


def backend_pid() -> int:
    connection.ensure_connection()
    return int(connection.connection.info.backend_pid)


def end_connections(other: int) -> None:
    """Ends the connection `other` and then the caller's own, as a restart of the database does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [other])
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")


def lock_soon(room_id: UUID) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = 100")
        lock_head(room_id)


def connection_id() -> int:
    connection.ensure_connection()
    return id(connection.connection)


async def test_it_works(threads: DatabaseThreads) -> None:
    assert await threads.run(select, value=7) == 7
    assert await threads.run(threading.get_ident) != threading.get_ident()


async def test_it_raises_what_was_raised(threads: DatabaseThreads) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        await threads.run(int, "x")
    assert await threads.run(select, 1) == 1


async def test_it_keeps_its_connection(threads: DatabaseThreads) -> None:
    assert len({await threads.run(connection_id) for _ in range(3)}) == 1


@pytest.mark.parametrize(
    ("message", "refusal"), [("the connection is lost", Unavailable), ("database is locked", Overloaded)]
)
async def test_it_translates_failures_of_the_database(
    threads: DatabaseThreads, message: str, refusal: type[DomainError]
) -> None:
    def fail() -> None:
        raise OperationalError(message)

    with pytest.raises(refusal) as refused:
        await threads.run(fail)
    assert refused.value.retry_after
    assert await threads.run(select, 1) == 1


@only_on("postgresql")
async def test_a_statement_that_takes_too_long_is_ended(threads: DatabaseThreads) -> None:
    def sleep(seconds: float) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            assert cursor.fetchone() == (f"{settings.ROOMLOG_LIMITS.writer_patience_s:.0f}s",)
            cursor.execute("SET statement_timeout = 100")
            try:
                cursor.execute("SELECT pg_sleep(%s)", [seconds])
            finally:
                cursor.execute("RESET statement_timeout")

    with pytest.raises(Unavailable):
        await threads.run(sleep, LONG_S)
    await threads.run(sleep, 0.0)


@only_on("postgresql")
def test_it_goes_on_with_a_new_connection(threads: DatabaseThreads) -> None:
    """The idle connections of the pool, which are broken too, are not used either."""
    idle = backend_pid()
    connection.close()

    with pytest.raises(Unavailable):
        asyncio.run(threads.run(end_connections, idle))

    assert asyncio.run(threads.run(select, 1)) == 1
    assert backend_pid() != idle


@only_on("postgresql")
def test_a_lock_timeout_is_overloaded(threads: DatabaseThreads, room: UUID) -> None:
    with transaction.atomic():
        lock_head(room)
        with pytest.raises(Overloaded):
            asyncio.run(threads.run(lock_soon, room))


@only_on("postgresql")
async def test_it_does_not_use_a_broken_connection_again(threads: DatabaseThreads) -> None:
    def broken() -> None:
        connection.ensure_connection()
        connection.connection.close()
        connection.errors_occurred = True

    await threads.run(broken)
    assert await threads.run(select, 1) == 1


@only_on("postgresql")
async def test_it_checks_a_connection_that_was_not_used_for_long(
    threads: DatabaseThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_threads, "CHECK_AFTER_S", 0.0)

    def gone() -> None:
        connection.ensure_connection()
        connection.connection.close()  # without an error that Django would notice

    await threads.run(gone)
    assert await threads.run(select, 1) == 1


async def test_calls_begin_in_order(threads: DatabaseThreads) -> None:
    done: list[int] = []
    await asyncio.gather(*(threads.run(done.append, place) for place in range(100)))
    assert done == list(range(100))


async def test_a_call_that_is_cancelled_in_the_queue_is_not_made(threads: DatabaseThreads) -> None:
    may_continue = threading.Event()
    done: list[int] = []
    blocking = asyncio.create_task(threads.run(may_continue.wait, LONG_S))
    queued = [asyncio.create_task(threads.run(done.append, 1)) for _ in range(2)]
    await asyncio.sleep(0)
    queued[0].cancel()
    may_continue.set()
    await asyncio.wait([blocking, *queued])

    assert done == [1]


async def test_a_thread_survives_a_call_that_is_cancelled_while_it_runs(threads: DatabaseThreads) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        assert may_end.wait(LONG_S)

    waiting = asyncio.create_task(threads.run(work))
    await asyncio.to_thread(begun.wait, LONG_S)
    waiting.cancel()
    may_end.set()

    assert await threads.run(select, 1) == 1
    assert waiting.cancelled()


def test_a_thread_survives_the_end_of_a_loop(threads: DatabaseThreads) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        assert may_end.wait(LONG_S)

    async def leave() -> None:
        waiting = asyncio.create_task(threads.run(work))
        await asyncio.sleep(0)
        assert begun.wait(LONG_S)
        assert not waiting.done()

    asyncio.run(leave())
    may_end.set()
    assert asyncio.run(threads.run(select, 1)) == 1


def test_shutdown_finishes_the_calls_that_were_made() -> None:
    done: list[int] = []

    async def call_and_shut_down() -> None:
        threads = DatabaseThreads(2, name="two")
        tasks = [asyncio.create_task(threads.run(done.append, place)) for place in range(10)]
        await asyncio.sleep(0)
        threads.shutdown()
        await asyncio.gather(*tasks)

    asyncio.run(call_and_shut_down())
    assert sorted(done) == list(range(10))
