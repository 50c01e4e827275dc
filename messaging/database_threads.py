"""Threads that call the database for the event loop. Each keeps one connection, and checks that it still works.

Channels' `database_sync_to_async` has one thread for all consumers, and opens a connection for every call.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any, ParamSpec, TypeVar

import structlog
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from foundation.outage import OUTAGES, outage_of

P = ParamSpec("P")
T = TypeVar("T")

CHECK_AFTER_S = 30.0  # without use, after which a connection is checked before it is used again

log = structlog.get_logger(__name__)


class DatabaseThreads:
    """A pool of `threads` threads. Calls begin in the order in which they were made.

    A call costs 24 µs. With a `ThreadPoolExecutor` it has a second future, with locks of its own, and costs 40 µs
    (docs/decisions/0011-speed.md).
    """

    def __init__(self, threads: int, *, name: str) -> None:
        # Calls with their futures; None ends one thread.
        self._calls: SimpleQueue[tuple[Callable[[], object], asyncio.Future[Any]] | None] = SimpleQueue()
        self._threads = [Thread(target=self._work, name=f"{name}_{n}", daemon=True) for n in range(threads)]
        for thread in self._threads:
            thread.start()

    async def run(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Calls `fn` on one of the threads and returns what it returns.

        If this is cancelled before a thread is free, `fn` is not called. Raises what `fn` raises, or `Overloaded` or
        `Unavailable` if the database fails; such a failure is logged here.
        """
        result: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._calls.put((partial(fn, *args, **kwargs), result))
        return await result

    def shutdown(self) -> None:
        """Finishes the calls that were made, then ends the threads. Blocks until they have ended."""
        for _ in self._threads:
            self._calls.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (given := self._calls.get()) is not None:
            call, result = given
            if result.cancelled():
                continue
            try:
                resolve = partial(result.set_result, _with_connection(call))
            except BaseException as error:  # noqa: BLE001 - whatever it is, the caller gets it
                resolve = partial(result.set_exception, error)
            with suppress(RuntimeError):  # the loop has been closed
                result.get_loop().call_soon_threadsafe(_unless_done, result, resolve)


def _unless_done(result: asyncio.Future[Any], resolve: Callable[[], object]) -> None:
    if not result.done():
        resolve()


def _with_connection(call: Callable[[], T]) -> T:
    """Makes `call` with a working connection. Turns an outage into `Overloaded` or `Unavailable`."""
    connection = connections[DEFAULT_DB_ALIAS]
    _close_if_broken(connection)
    try:
        return call()
    except OUTAGES as error:
        log.warning("database failed", error=str(error))
        connection.close()
        raise outage_of(error) from error
    finally:
        connection.last_used = time.monotonic()  # type: ignore[attr-defined]


def _close_if_broken(connection: BaseDatabaseWrapper) -> None:
    """Closes a connection that is in a transaction, or that does not answer after an error or a long pause.

    Django opens the next one by itself.
    """
    if connection.connection is None:
        return
    unused_s = time.monotonic() - getattr(connection, "last_used", 0.0)
    is_suspect = connection.errors_occurred or unused_s > CHECK_AFTER_S
    if connection.in_atomic_block or (is_suspect and not connection.is_usable()):
        connection.close()
    connection.errors_occurred = False
