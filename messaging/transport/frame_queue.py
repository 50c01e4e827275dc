"""The frames of one socket that have come but are not handled yet: one at a time, in order. Pure.

An action that waits for nothing is done in the step that brought its frame; for the others a task lives while there
is something to do, so that an idle socket has none.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import Any, Protocol

from messaging.wire.actions import Action

READ_AHEAD = 16  # frames that wait before the connection is no longer read from

RawFrame = str | bytes


class FrameHandler(Protocol):
    """What is done with frames."""

    def decode(self, data: RawFrame) -> Action | None:
        """The action that a frame stands for; None where it was answered with a refusal."""

    def handle_now(self, action: Action) -> bool:
        """Whether it was done at once, without waiting."""

    async def handle(self, action: Action) -> None: ...


class FrameSource(Protocol):
    """Where frames come from and answers go."""

    @property
    def congested(self) -> bool: ...

    async def writable(self) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class FrameQueue:
    """Used on one loop only."""

    __slots__ = ("_handler", "_loop", "_source", "_task", "_waiting")

    def __init__(self, handler: FrameHandler, source: FrameSource, *, loop: asyncio.AbstractEventLoop) -> None:
        self._handler = handler
        self._source = source
        self._loop = loop
        self._waiting: deque[RawFrame] | None = None  # made when it is needed: it is large, and sockets are many
        self._task: asyncio.Task[None] | None = None

    def put(self, data: RawFrame) -> None:
        """Handle a frame, now or as soon as those before it are done. Whoever does not read is not read from."""
        if self._waiting is not None:
            self._waiting.append(data)
            if len(self._waiting) >= READ_AHEAD:
                self._source.pause_reading()
        elif self._source.congested:
            self._start(None, deque([data]))
        else:
            action = self._handler.decode(data)
            if action is not None and not self._handler.handle_now(action):
                self._start(action, deque())

    def _start(self, action: Action | None, waiting: deque[RawFrame]) -> None:
        self._waiting = waiting
        self._task = self._loop.create_task(self._work(action, waiting))

    async def settled(self) -> None:
        """Wait until nothing is being handled."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def stop(self) -> None:
        """The connection is over: nothing more is handled."""
        if self._task is not None:
            self._task.cancel()

    async def _work(self, action: Action | None, waiting: deque[RawFrame]) -> None:
        try:
            if action is not None:
                await self._handler.handle(action)
            while waiting:
                await self._source.writable()
                action = self._handler.decode(waiting.popleft())
                if action is not None:
                    await self._handler.handle(action)
        finally:
            self._waiting = self._task = None
            self._source.resume_reading()


def run_now(coroutine: Coroutine[Any, Any, object]) -> None:
    """Run what waits for nothing, in this step and without a task."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    coroutine.close()
    raise RuntimeError("it wanted to wait")
