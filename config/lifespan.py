"""What happens when a process starts to serve, and when it stops."""

import asyncio
import gc
import signal
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import Any
from uuid import UUID

import structlog
import uvicorn
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import connection

from accounts import revocation
from messaging.append.appender import Appender
from messaging.database_threads import DatabaseThreads
from messaging.engine import Engine
from rooms import broadcast
from rooms.notices import SessionsChanged

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

# Before it, a commit may be lost where it races a checkpoint of another connection. Here those of a process take turns.
SAFE_SQLITE = (3, 51, 3)

# Far more objects than one batch makes: a young generation is looked at when most of it is dead.
GC_THRESHOLDS = (20_000, 20, 50)

TICK_S = 1.0  # how often the server makes its Date header anew

log = structlog.get_logger(__name__)


async def lifespan(scope: dict[str, Any], receive: Receive, send: Send) -> None:
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

    uvicorn itself closes all sockets at once when it is told to stop, and its worker processes have no hook. Its main
    loop is replaced, too, by one that is told.
    """

    def __init__(self, engine: Engine, *, grace_s: float) -> None:
        self._engine = engine
        self._grace_s = grace_s
        self._server_handler: Any = None
        self._task: asyncio.Task[None] | None = None
        self._is_stopping = asyncio.Event()

    def install(self) -> None:
        self._server_handler = signal.getsignal(signal.SIGTERM)
        if callable(self._server_handler):
            signal.signal(signal.SIGTERM, self._on_signal)
            server = getattr(self._server_handler, "__self__", None)
            if isinstance(server, uvicorn.Server):
                signal.signal(signal.SIGINT, self._stop)
                server.main_loop = partial(self._main_loop, server)  # type: ignore[method-assign]

    async def _main_loop(self, server: uvicorn.Server) -> None:
        """As uvicorn's, which wakes ten times a second, 0.2 ms of CPU each, for what it does once."""
        while not await server.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._is_stopping.wait()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        """Let the server have the signal, and look at once. SIGINT comes here without a drain."""
        self._server_handler(number, frame)
        self._engine.loop.call_soon_threadsafe(self._is_stopping.set)

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
            self._stop(number, frame)


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
