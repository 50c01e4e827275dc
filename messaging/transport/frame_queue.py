"""The queue of a client's frames: they are handled one at a time, in the order in which they arrived. Pure.

An action that does not wait is run in the step of the loop that reads its frame. For any other action a task is
started, which ends when the queue is empty, so that an idle socket has no task.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import Any, Protocol

from messaging.wire.actions import Action

READ_AHEAD = 16  # queued frames after which the connection is no longer read from

RawFrame = str | bytes  # the payload of a text or binary frame


class FrameHandler(Protocol):
    """Decodes frames and runs their actions."""

    def decode(self, data: RawFrame) -> Action | None:
        """Returns the action of a frame, or None if the frame was refused (and answered) or ignored."""

    def handle_now(self, action: Action) -> bool:
        """Runs `action` and returns true if it does not wait for anything. Otherwise returns false."""

    async def handle(self, action: Action) -> None:
        """Runs `action`."""


class FrameSource(Protocol):
    """The socket that the frames come from."""

    @property
    def congested(self) -> bool: ...

    async def writable(self) -> None:
        """Waits while the client does not read what it is sent."""

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class FrameQueue:
    """The frames of one socket. Used on one loop only."""

    __slots__ = ("_handler", "_loop", "_source", "_task", "_waiting")

    def __init__(self, handler: FrameHandler, source: FrameSource, *, loop: asyncio.AbstractEventLoop) -> None:
        self._handler = handler
        self._source = source
        self._loop = loop
        self._waiting: deque[RawFrame] | None = None  # None while no task runs: an empty deque takes 760 bytes
        self._task: asyncio.Task[None] | None = None

    def put(self, data: RawFrame) -> None:
        """Handles a frame now, or after those that are queued.

        Frames of a congested socket are queued until it drains. From `READ_AHEAD` frames on, the source is paused.
        """
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

    async def settled(self) -> None:
        """Waits until no frame is queued or being handled."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def stop(self) -> None:
        """Cancels the action that is running and drops the frames that are queued."""
        if self._task is not None:
            self._task.cancel()

    def _start(self, action: Action | None, waiting: deque[RawFrame]) -> None:
        self._waiting = waiting
        self._task = self._loop.create_task(self._work(action, waiting))

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
    """Runs a coroutine that does not wait, without a task. Raises `RuntimeError` if it does wait."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    coroutine.close()
    raise RuntimeError("The coroutine waited for something.")
