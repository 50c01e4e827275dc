"""uvicorn's WebSocket protocol with bounds on what a client may send, leave unread, and do after the end.

It knows no application of ours: `uvicorn_protocol` adds the direct way to a socket.
"""

import socket
from asyncio.transports import BaseTransport
from collections.abc import Callable
from typing import Any

from django.conf import settings
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame

from messaging.transport.intake import Intake, budgets_of
from messaging.transport.waiting import LeanEvent, LeanQueue
from messaging.transport.write_deadline import WriteDeadline
from messaging.wire.closes import FLOOD, SLOW_READER
from messaging.wire.limits import Limits

CLOSE_WAIT_S = 2.0  # for the client's close frame, once ours was sent
AFTER_CLOSE_BYTES = 1024  # in which it is looked for
IGNORED_CLOSE_WAIT_S = 0.5  # for a client that goes on sending more than these: long enough to read why it was closed


class BoundedProtocol(WebSocketsSansIOProtocol):
    """One connection, which is read as fast as the application and the client's budgets allow."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.limits: Limits = settings.ROOMLOG_LIMITS
        self.queue = LeanQueue(self.loop)  # type: ignore[assignment]
        self.writable = LeanEvent()  # type: ignore[assignment]
        self._deadline: WriteDeadline | None = None  # most connections never need one
        self._intake: Intake | None = None  # from the end of the request's head
        self._after_close_bytes = AFTER_CLOSE_BYTES
        self.on_lost: Callable[[], None] | None = None  # called once, when the connection has ended

    def will_close(self) -> None:
        """Called before a close frame is sent, and when the connection ends. Nothing else may be written after it."""

    @property
    def can_write(self) -> bool:
        return not self.close_sent and not self.transport.is_closing()

    @property
    def is_encrypted(self) -> bool:
        return self.transport.get_extra_info("sslcontext") is not None

    @property
    def is_full(self) -> bool:
        """Whether the transport holds bytes that the kernel has not taken."""
        return not self.writable.is_set()

    # -- calls of the transport ---------------------------------------------------------------------------------------

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        # A plain connection is full as soon as the kernel does not take everything. TLS fills a buffer of its own.
        self.transport.set_write_buffer_limits(high=self.limits.send_buffer_bytes if self.is_encrypted else 0)
        raw: socket.socket | None = transport.get_extra_info("socket")
        if raw is not None:
            # Without a bound, the kernel grows the buffer of a client that does not read to megabytes.
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.limits.send_buffer_bytes)

    def connection_lost(self, exc: Exception | None) -> None:
        self.will_close()
        self.stop_intake()
        if self._deadline is not None:
            self._deadline.stop()
        super().connection_lost(exc)
        if self.on_lost is not None:
            self.on_lost()
        self.break_cycles()

    def break_cycles(self) -> None:
        """Drops the references that lead back to this object, so that it does not wait for the garbage collector."""
        self._deadline = self._intake = self.on_lost = None
        self.conn.parser.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._deadline is None:
            self._deadline = WriteDeadline(
                unsent_bytes=self.transport.get_write_buffer_size,
                on_stalled=self._abort_slow_reader,
                stalled_s=self.limits.stalled_writer_s,
                loop=self.loop,
            )
        self._deadline.start()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._deadline is not None:
            self._deadline.stop()

    def _abort_slow_reader(self) -> None:
        """Closes a client that has stopped reading, without waiting for it to read the rest."""
        if self.can_write:
            self._send_close(SLOW_READER.code, SLOW_READER.reason)
        self.transport.abort()

    # -- reading ------------------------------------------------------------------------------------------------------

    def pause_reading(self) -> None:
        self.read_paused = True
        self._read_or_pause()

    def resume_reading(self) -> None:
        if self.read_paused:
            self.read_paused = False
            if self._intake is not None:
                self._intake.resume()
            self._read_or_pause()

    def _read_or_pause(self) -> None:
        """Reads from the kernel while the application wants frames and the client is within its budgets."""
        if self.read_paused or (self._intake is not None and self._intake.is_full):
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Takes the head of the request as a whole, as uvicorn's HTTP protocol hands it on; the frames by budgets."""
        if self.close_sent:
            self._take_after_close(data)
            return
        if self._intake is not None:
            self._intake.put(data)
            self._read_or_pause()
            return
        super().data_received(data)
        if self.handshake_initiated:
            self._intake = Intake(
                parse=super().data_received,
                is_paused=self._is_app_busy,
                on_changed=self._read_or_pause,
                on_flood=self._cut_flood,
                budgets=budgets_of(self.limits, now=self.loop.time()) if settings.ROOMLOG_RATE_LIMITS else (),
                patience_s=self.limits.flood_patience_s,
                loop=self.loop,
            )
        elif self.conn.handshake_exc is not None:
            # The request is malformed or too large. The base class would not answer it.
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()

    def _is_app_busy(self) -> bool:
        return self.read_paused

    def _cut_flood(self) -> None:
        """Closes a client that has sent more than its budgets for too long."""
        self.close_with(FLOOD.code, FLOOD.reason)

    def _take_after_close(self, data: bytes) -> None:
        """Looks for the client's close frame in the first bytes after ours. What comes after them is not read."""
        self._after_close_bytes -= len(data)
        if self._after_close_bytes < 0:
            self.pause_reading()
            self._wait_for_close(IGNORED_CLOSE_WAIT_S)
        else:
            super().data_received(data)

    def handle_cont(self, event: Frame) -> None:
        if self.close_sent:
            return
        if len(self.frames) >= self.limits.max_fragments:
            self.close_with(CloseCode.MESSAGE_TOO_BIG, f"more than {self.limits.max_fragments} fragments")
        else:
            super().handle_cont(event)

    # -- closing ------------------------------------------------------------------------------------------------------

    def close_with(self, code: int, reason: str) -> None:
        """Sends a close frame, unless the connection is closing. The application receives `websocket.disconnect`."""
        if self.can_write:
            self._send_close(code, reason)
            self.linger()

    def handle_close(self, event: Frame) -> None:
        self.will_close()
        super().handle_close(event)

    def handle_parser_exception(self) -> None:
        self.will_close()
        super().handle_parser_exception()

    def keepalive_timeout(self) -> None:
        # The pong may have arrived, but is not read while an action runs or a budget is spent.
        if not self.transport.is_reading():
            self.pong_timer = self.pending_ping_payload = None
            self.schedule_ping()
            return
        self.will_close()
        super().keepalive_timeout()

    def shutdown(self) -> None:
        """Closes the connection at the server's shutdown, without waiting for a client that does not read."""
        self.will_close()
        super().shutdown()
        if self.is_full:
            self.transport.abort()

    def stop_intake(self) -> None:
        """Drops what was read and not parsed yet."""
        if self._intake is not None:
            self._intake.stop()

    def linger(self) -> None:
        """Gives the client a moment to answer the close frame."""
        self.stop_intake()
        self.resume_reading()
        self._wait_for_close(CLOSE_WAIT_S)

    def _wait_for_close(self, seconds: float) -> None:
        if self.close_timer is not None:
            self.close_timer.cancel()
        self.close_timer = self.loop.call_later(seconds, self._end_linger)

    def _end_linger(self) -> None:
        """Ends the connection. If the client has yet to take what it was sent, the write deadline goes on."""
        if self.transport.get_write_buffer_size():
            self.transport.close()
        else:
            self.transport.abort()

    def _send_close(self, code: int, reason: str) -> None:
        self.will_close()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
