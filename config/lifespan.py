"""What a server process does when it starts and when it stops (the ASGI lifespan)."""

import asyncio
import gc
import signal
import sqlite3
from types import FrameType
from typing import Any
from uuid import UUID

import structlog
from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, LifespanScope
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import connection

from accounts import revocation
from messaging.database_threads import DatabaseThreads
from messaging.engine import Engine
from messaging.services.send import appender
from rooms import broadcast
from rooms.notices import SessionsChanged

# Earlier versions can lose a commit that races a checkpoint of another process. Inside a process, writers take turns.
SAFE_SQLITE = (3, 51, 3)

# Far more objects than one batch allocates, so that most of the young generation is garbage when it is collected.
GC_THRESHOLDS = (20_000, 20, 50)

log = structlog.get_logger(__name__)


async def lifespan(scope: LifespanScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Makes the engine on the running loop and register it as a listener; undo both at shutdown.

    Requests and sockets find the engine in `scope["state"]["engine"]`.
    """
    await receive()
    _warn_about_sqlite()
    engine = Engine(
        limits=settings.ROOMLOG_LIMITS,
        layer=get_channel_layer() if settings.REDIS_URLS else None,
        readers=DatabaseThreads(settings.ROOMLOG_READER_THREADS, name="reader"),
        writer_thread=DatabaseThreads(1, name="writer"),
        append=appender.append,
    )
    broadcast.add_listener(engine.publish)
    revocation.add_listener(_publish_session_change)
    scope["state"]["engine"] = engine
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
    """Excludes what start-up allocated from collection: scanning it took most of each pause (docs/benchmarks.md)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


class Drain:
    """Handles SIGTERM before uvicorn does: drains the engine, then calls uvicorn's handler.

    uvicorn closes all sockets at once when it stops, and offers no hook in its worker processes. SIGINT is left to
    uvicorn.
    """

    def __init__(self, engine: Engine, *, grace_s: float) -> None:
        self._engine = engine
        self._grace_s = grace_s
        self._server_handler: Any = None
        self._task: asyncio.Task[None] | None = None

    def install(self) -> None:
        """Wraps the handler of SIGTERM, if the server has set one. Call it on the main thread."""
        self._server_handler = signal.getsignal(signal.SIGTERM)
        if callable(self._server_handler):
            signal.signal(signal.SIGTERM, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._engine.loop.call_soon_threadsafe(self._start, number, frame)

    def _start(self, number: int, frame: FrameType | None) -> None:
        if self._task is None:
            self._task = self._engine.loop.create_task(self._drain(number, frame))

    async def _drain(self, number: int, frame: FrameType | None) -> None:
        log.info("draining", sockets=len(self._engine.hub.sinks()))
        try:
            await self._engine.drain(grace_s=self._grace_s)
        except Exception:
            log.exception("drain failed")
        finally:
            self._server_handler(number, frame)


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
