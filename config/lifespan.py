"""What happens when a process starts to serve, and when it stops."""

import sqlite3
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from django.conf import settings
from django.db import connection

from messaging.engine import Engine
from rooms import broadcast

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

# Before it, a WAL reset may lose a commit when two connections race (https://sqlite.org/changes.html, 3.51.3).
SAFE_SQLITE = (3, 51, 3)

log = structlog.get_logger(__name__)


async def lifespan(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """The ASGI lifespan: make the engine on this loop, wire it to what services broadcast; undo both at the end."""
    engine: Engine | None = None
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            _warn_of_engine()
            engine = Engine(limits=settings.ROOMLOG_LIMITS, reader_threads=settings.ROOMLOG_READER_THREADS)
            broadcast.add_listener(engine.publish)
            scope["state"]["engine"] = engine
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            if engine is not None:
                await engine.close()
                broadcast.remove_listener(engine.publish)
            await send({"type": "lifespan.shutdown.complete"})
            return


def _warn_of_engine() -> None:
    if connection.vendor == "sqlite" and sqlite3.sqlite_version_info < SAFE_SQLITE:
        log.warning(
            "this SQLite may lose commits to its WAL-reset bug under several processes; update it, or use PostgreSQL",
            version=sqlite3.sqlite_version,
            fixed_in=".".join(map(str, SAFE_SQLITE)),
        )
