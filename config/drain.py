"""The orderly end of a server process: SIGTERM drains the engine before the server stops."""

import asyncio
import signal
from types import FrameType
from typing import Any

import structlog

from messaging.engine import Engine

log = structlog.get_logger(__name__)


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
