"""Threads that talk to the database for the sockets: few, each with one connection that is kept and checked.

Channels' own `database_sync_to_async` is one thread that opens a connection for every call.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

T = TypeVar("T")

CHECK_AFTER_S = 30.0  # of rest, before a kept connection is asked whether it still lives


class DatabaseThreads(ThreadPoolExecutor):
    """An executor whose threads keep a checked connection each."""

    def __init__(self, threads: int, *, name: str) -> None:
        super().__init__(max_workers=threads, thread_name_prefix=name)

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Any:
        return super().submit(_checked, fn, *args, **kwargs)

    async def run(self, fn: Callable[..., T], **kwargs: Any) -> T:
        """Call `fn(**kwargs)` on one of the threads."""
        result: T = await asyncio.wrap_future(self.submit(fn, **kwargs))
        return result


def _checked(fn: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    connection = connections[DEFAULT_DB_ALIAS]
    _check(connection)
    try:
        return fn(*args, **kwargs)
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
