"""Threads that talk to the database for the sockets: few, each with one connection that is kept and checked.

Channels' own `database_sync_to_async` is one thread that opens a connection for every call.
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

CHECK_AFTER_S = 30.0  # of rest, before a kept connection is asked whether it still lives

log = structlog.get_logger(__name__)


class DatabaseThreads:
    """So many threads, with a checked connection each; what they are given is taken up in order.

    As a `ThreadPoolExecutor`, without its futures: those take a good third of the way there and back.
    """

    def __init__(self, threads: int, *, name: str) -> None:
        self._given: SimpleQueue[tuple[Callable[[], object], asyncio.Future[Any]] | None] = SimpleQueue()
        self._threads = [Thread(target=self._work, name=f"{name}_{n}", daemon=True) for n in range(threads)]
        for thread in self._threads:
            thread.start()

    async def run(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `fn` on one of the threads. It is not called if whoever waits is cancelled before its turn.

        Raises what `fn` raises; `Overloaded` or `Unavailable` where the database fails, which is logged here.
        """
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._given.put((partial(fn, *args, **kwargs), answer))
        return await answer

    def shutdown(self) -> None:
        """Do what was given, then end. Blocks for as long."""
        for _ in self._threads:
            self._given.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (given := self._given.get()) is not None:
            call, answer = given
            if answer.cancelled():
                continue
            try:
                settle = partial(answer.set_result, _checked(call))
            except BaseException as error:  # noqa: BLE001 - whatever it is, it is for whoever waits
                settle = partial(answer.set_exception, error)
            with suppress(RuntimeError):  # the loop may have ended
                answer.get_loop().call_soon_threadsafe(_tell, answer, settle)


def _tell(answer: asyncio.Future[Any], settle: Callable[[], object]) -> None:
    if not answer.done():
        settle()


def _checked(call: Callable[[], T]) -> T:
    connection = connections[DEFAULT_DB_ALIAS]
    _check(connection)
    try:
        return call()
    except OUTAGES as error:
        log.warning("database failed", error=str(error))
        connection.close()
        raise outage_of(error) from error
    finally:
        connection.last_used = time.monotonic()  # type: ignore[attr-defined]


def _check(connection: BaseDatabaseWrapper) -> None:
    """Drop a connection that broke, or that does not answer after a rest; Django opens the next one by itself."""
    if connection.connection is None:
        return
    rested_s = time.monotonic() - getattr(connection, "last_used", 0.0)
    doubtful = connection.errors_occurred or rested_s > CHECK_AFTER_S
    if connection.in_atomic_block or (doubtful and not connection.is_usable()):
        connection.close()
    connection.errors_occurred = False
