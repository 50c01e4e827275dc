"""What a server process does when it starts and when it has stopped (the ASGI lifespan)."""

import gc
import sqlite3
from uuid import UUID

import structlog
from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, LifespanScope
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import connection

from accounts import revocation
from config.drain import Drain
from config.private import close_to_others
from config.server.admitted import bounds_of
from messaging.append.appender import Appender
from messaging.database_threads import DatabaseThreads
from messaging.engine import Engine
from messaging.shared_limits import RedisLedger
from rooms import broadcast
from rooms.notices import SessionsChanged

# Earlier versions can lose a commit that races a checkpoint of another process. Inside a process, writers take turns.
SAFE_SQLITE = (3, 51, 3)

# Far more objects than one batch allocates, so that most of the young generation is garbage when it is collected.
GC_THRESHOLDS = (20_000, 20, 50)

log = structlog.get_logger(__name__)


async def lifespan(scope: LifespanScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Makes the engine on the running loop and registers it as a listener; undoes both at shutdown.

    Requests and sockets find the engine in `scope["state"]["engine"]`, and the bounds of the process beside it.
    """
    await receive()
    close_to_others(settings.DATA_DIR, settings.ROOMLOG_PRIVATE_FILES)
    _warn_about_sqlite()
    engine = Engine(
        limits=settings.ROOMLOG_LIMITS,
        layer=get_channel_layer() if settings.REDIS_URLS else None,
        readers=DatabaseThreads(settings.ROOMLOG_READER_THREADS, name="reader"),
        writer_thread=DatabaseThreads(1, name="writer"),
        append=Appender().append,
        ledger=_ledger(),
    )
    broadcast.add_listener(engine.publish)
    revocation.add_listener(_publish_session_change)
    scope["state"]["engine"] = engine
    bounds_of(scope["state"], now=engine.loop.time)
    drain = Drain(engine, grace_s=settings.ROOMLOG_GRACE_S)
    drain.install()
    _tune_garbage_collection()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await engine.close()
    broadcast.remove_listener(engine.publish)
    revocation.remove_listener(_publish_session_change)
    await send({"type": "lifespan.shutdown.complete"})


def _tune_garbage_collection() -> None:
    """Excludes what start-up allocated: scanning it took most of each pause (docs/decisions/0011-speed.md)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def _ledger() -> RedisLedger | None:
    if not settings.REDIS_URLS or not settings.ROOMLOG_RATE_LIMITS:
        return None
    return RedisLedger(settings.REDIS_URLS[0], prefix=settings.REDIS_PREFIX)


def _publish_session_change(user_id: UUID) -> None:
    broadcast.broadcast([SessionsChanged(user_id=user_id)])


def _warn_about_sqlite() -> None:
    if connection.vendor == "sqlite" and sqlite3.sqlite_version_info < SAFE_SQLITE:
        log.warning(
            "this version of SQLite can lose a commit if several processes write: upgrade SQLite, or use PostgreSQL",
            version=sqlite3.sqlite_version,
            fixed_in=".".join(map(str, SAFE_SQLITE)),
            see="https://sqlite.org/wal.html#walresetbug",
        )
