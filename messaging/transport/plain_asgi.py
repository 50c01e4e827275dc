"""A socket on any other ASGI server: slower than a direct one, with the same guarantees. Pure."""

import asyncio
from collections import deque

from asgiref.typing import ASGISendCallable

from accounts.schema import Principal
from messaging.transport.socket import OnDrained, Socket
from messaging.wire.closes import SLOW_READER, Close
from messaging.wire.framing import Frames


class AsgiSocket(Socket):
    """Queues payloads, and sends them through ASGI's `send` in a task that ends when the queue is empty.

    The socket is congested while more than `max_bytes` of payloads are queued. If `send` takes longer than `stalled_s`
    seconds for one frame, the socket is closed with `SLOW_READER`.
    """

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
        self._pending_close: Close | None = None
        self._task: asyncio.Task[None] | None = None

    def write(self, frames: Frames) -> None:
        if self.state.is_over:
            return
        self._queue.extend(frames.payloads)
        self._queued_bytes += frames.size
        if self._queued_bytes > self._max_bytes:
            self.filled()
        self._start()

    def _send_close(self, close: Close) -> None:
        self._pending_close = close
        self._start()

    def stop(self) -> None:
        super().stop()
        if self._task is not None:
            self._task.cancel()

    def _start(self) -> None:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        try:
            await self._send_queue()
            if (close := self._pending_close) is not None:
                # Without a deadline, so that a client that reads again learns why it was closed.
                await self._send({"type": "websocket.close", "code": close.code, "reason": close.reason})
                self.ended()
        except OSError:  # the connection is lost; the consumer receives `websocket.disconnect`
            self._queue.clear()
            self.ended()
        finally:
            self._task = None

    async def _send_queue(self) -> None:
        """Sends until the queue is empty, or the client stalls. Once the socket closes, all of it has one deadline."""
        loop = asyncio.get_running_loop()
        close_by: float | None = None
        while self._queue:
            payload = self._queue[0]
            if self._pending_close is not None and close_by is None:
                close_by = loop.time() + self._stalled_s
            try:
                async with asyncio.timeout_at(close_by or loop.time() + self._stalled_s):
                    await self._send({"type": "websocket.send", "text": payload.decode(), "bytes": None})
            except TimeoutError:
                self._queue.clear()
                self.close(SLOW_READER)
                return
            self._queue.popleft()
            self._queued_bytes -= len(payload)
            if self._queued_bytes <= self._max_bytes:
                self.drained()
