"""What happens when a process starts to serve, and when it stops."""

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
from messaging.append.appender import Appender
from messaging.database_threads import DatabaseThreads
from messaging.engine import Engine
from rooms import broadcast
from rooms.events import SessionsChanged

# Before it, a commit may be lost where it races a checkpoint of another connection. Here those of a process take turns.
SAFE_SQLITE = (3, 51, 3)

# Far more objects than one batch makes: a young generation is looked at when most of it is dead.
GC_THRESHOLDS = (20_000, 20, 50)

log = structlog.get_logger(__name__)


async def lifespan(scope: LifespanScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """The ASGI lifespan: make the engine on this loop, wire it to what services tell; undo both at the end."""
    await receive()
    _warn_of_sqlite()
    engine = Engine(
        limits=settings.ROOMLOG_LIMITS,
        layer=get_channel_layer() if settings.REDIS_URLS else None,
        readers=DatabaseThreads(settings.ROOMLOG_READER_THREADS, name="reader"),
        writer_thread=DatabaseThreads(1, name="writer"),
        append=Appender().append,
    )
    broadcast.add_listener(engine.publish)
    revocation.add_listener(_tell_of_sessions)
    scope["state"]["engine"] = engine
    drain = Drain(engine, grace_s=settings.ROOMLOG_GRACE_S)
    drain.install()
    _spare_the_collector()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await engine.close()
    broadcast.remove_listener(engine.publish)
    revocation.remove_listener(_tell_of_sessions)
    await send({"type": "lifespan.shutdown.complete"})


def _spare_the_collector() -> None:
    """Keep it off what start-up made, which stays: walking that took most of a pause (docs/benchmarks.md)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


class Drain:
    """Takes SIGTERM before the server does, lets the engine send everybody elsewhere, then hands the signal on.

    uvicorn itself closes all sockets at once when it is told to stop, and its worker processes have no hook. SIGINT
    is left to it.
    """

    def __init__(self, engine: Engine, *, grace_s: float) -> None:
        self._engine = engine
        self._grace_s = grace_s
        self._server_handler: Any = None
        self._task: asyncio.Task[None] | None = None

    def install(self) -> None:
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


def _tell_of_sessions(user_id: UUID) -> None:
    broadcast.broadcast([SessionsChanged(user_id=user_id)])


def _warn_of_sqlite() -> None:
    if connection.vendor == "sqlite" and sqlite3.sqlite_version_info < SAFE_SQLITE:
        log.warning(
            "this SQLite may lose commits in a rare race of several processes: update it, or take PostgreSQL",
            version=sqlite3.sqlite_version,
            fixed_in=".".join(map(str, SAFE_SQLITE)),
            see="https://sqlite.org/wal.html#walresetbug",
        )
