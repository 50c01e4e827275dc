"""A socket over plain ASGI, on any server: slower, with the same promises."""

import asyncio
from collections import deque

from asgiref.typing import ASGISendCallable

from accounts.schema import Principal
from messaging.transport.socket import OnDrained, Socket
from messaging.wire.closes import SLOW_READER, Close
from messaging.wire.framing import Frames


class AsgiSocket(Socket):
    """Writes through ASGI `send`, on any server: a task lives while there is something to send."""

    def __init__(
        self,
        send: ASGISendCallable,
        *,
        principal: Principal,
        send_window: int,
        on_drained: OnDrained,
        max_bytes: int,
        stalled_s: float,
    ) -> None:
        super().__init__(principal=principal, send_window=send_window, on_drained=on_drained)
        self._send = send
        self._max_bytes = max_bytes
        self._stalled_s = stalled_s
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._closing: Close | None = None
        self._is_over = False
        self._task: asyncio.Task[None] | None = None

    def write(self, frames: Frames) -> None:
        if self._is_over:
            return
        self._queue.extend(frames.payloads)
        self._queued_bytes += frames.size
        self.congested = self._queued_bytes > self._max_bytes
        self._start()

    def close(self, close: Close) -> None:
        self._closing = self._closing or close
        self._start()

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _start(self) -> None:
        if self._task is None and not self._is_over:
            self._task = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        try:
            try:
                await self._send_queue()
            except TimeoutError:
                self._closing = SLOW_READER
            if (close := self._closing) is not None:
                self._give_up()
                # However long it takes: who reads again is told.
                await self._send({"type": "websocket.close", "code": close.code, "reason": close.reason})
        except OSError:
            self._give_up()  # the peer has gone, which the reader is told of
        finally:
            self._task = None

    async def _send_queue(self) -> None:
        while self._queue and self._closing is None:
            payload = self._queue[0]
            async with asyncio.timeout(self._stalled_s):
                await self._send({"type": "websocket.send", "text": payload.decode(), "bytes": None})
            self._queue.popleft()
            self._queued_bytes -= len(payload)
            if self.congested and self._queued_bytes <= self._max_bytes:
                self.drained()

    def _give_up(self) -> None:
        """Nothing more is sent, and nothing waits for it."""
        self.is_leaving = self._is_over = True
        self._queue.clear()
        self._queued_bytes = 0
        self.drained()
