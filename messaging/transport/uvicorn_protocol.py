"""uvicorn's WebSocket protocol with direct writes, a deadline for slow readers, and bounds on what a client may send.

`manage.py serve` passes the class to uvicorn. An application reaches what goes beyond ASGI through the extension
`roomlog.direct` of the scope (`DirectConnection`). Towards any other application it behaves as uvicorn's own class.
"""

import socket
from asyncio import Future
from asyncio.transports import BaseTransport
from collections.abc import Callable
from typing import Any

from django.conf import settings
from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame
from websockets.http11 import Request

from messaging.fanout.feed import Outlet
from messaging.transport.direct import EXTENSION, DirectSocket
from messaging.transport.frame_queue import RawFrame
from messaging.transport.intake import Intake, budgets_of
from messaging.transport.waiting import LeanEvent, LeanQueue
from messaging.transport.write_deadline import WriteDeadline
from messaging.wire.closes import FLOOD, SLOW_READER
from messaging.wire.limits import Limits

CLOSE_WAIT_S = 2.0  # for the client's close frame, once ours was sent
AFTER_CLOSE_BYTES = 1024  # in which it is looked for
IGNORED_CLOSE_WAIT_S = 0.5  # for a client that goes on sending more than these: long enough to read why it was closed


class RoomlogProtocol(WebSocketsSansIOProtocol):
    """One connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.limits: Limits = settings.ROOMLOG_LIMITS
        self.queue = LeanQueue(self.loop)  # type: ignore[assignment]
        self.writable = LeanEvent()  # type: ignore[assignment]
        self._socket: DirectSocket | None = None
        self._on_frame: Callable[[RawFrame], None] | None = None
        self._deadline: WriteDeadline | None = None  # most connections never need one
        self._kernel_socket: socket.socket | None = None  # shares the file descriptor of the transport
        self._pong = b""  # the newest pong that waits until the connection is no longer full
        self._intake: Intake | None = None  # from the end of the request's head
        self._is_read = True  # whether the transport reads
        self._after_close_bytes = AFTER_CLOSE_BYTES
        self.on_lost: Callable[[], None] | None = None  # called once, when the connection has ended

    # -- as a `DirectConnection` --------------------------------------------------------------------------------------

    def attach(self, owner: DirectSocket) -> Outlet | None:
        """Reports to `owner` from now on.

        Returns a function that writes frames to the kernel, or None if the connection must go through the transport
        (TLS) or is closing already.
        """
        self._socket = owner
        if not self._can_write:
            owner.ended()
            return None
        if self._is_full:
            owner.filled()
        if self._is_encrypted:
            return None
        raw = self.transport.get_extra_info("socket")
        self._kernel_socket = socket.socket(raw.family, raw.type, raw.proto, fileno=raw.fileno())
        return self._kernel_socket.send

    @property
    def is_open(self) -> bool:
        return self._can_write

    def keep(self, wire: bytes) -> None:
        """Sends framed bytes when the kernel takes them. The connection is full until it has taken all of them."""
        if self._can_write:
            self.transport.write(wire)

    def listen(self, on_frame: Callable[[RawFrame], None]) -> None:
        """Calls `on_frame` with each message from now on, beginning with those in the ASGI queue."""
        self._on_frame = on_frame
        for event in self.queue.pop_all():  # type: ignore[attr-defined]
            if event["type"] == "websocket.receive":
                on_frame(event.get("text") or event.get("bytes") or "")
            else:
                self.queue.put_nowait(event)
        self.resume_reading()

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
        wanted = not self.read_paused and not (self._intake is not None and self._intake.is_full)
        if wanted and not self._is_read:
            self._is_read = True
            self.transport.resume_reading()
        elif not wanted and self._is_read:
            self._is_read = False
            self.transport.pause_reading()

    def close_with(self, code: int, reason: str) -> None:
        """Sends a close frame, unless the connection is closing. The application receives `websocket.disconnect`."""
        if self._can_write:
            self._send_close(code, reason)
            self._linger()

    @property
    def _can_write(self) -> bool:
        return not self.close_sent and not self.transport.is_closing()

    @property
    def _is_encrypted(self) -> bool:
        return self.transport.get_extra_info("sslcontext") is not None

    @property
    def _is_full(self) -> bool:
        """Whether the transport holds bytes that the kernel has not taken."""
        return not self.writable.is_set()

    # -- calls of the transport ---------------------------------------------------------------------------------------

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        # A plain connection is full as soon as the kernel does not take everything. TLS fills a buffer of its own.
        self.transport.set_write_buffer_limits(high=self.limits.send_buffer_bytes if self._is_encrypted else 0)
        raw: socket.socket | None = transport.get_extra_info("socket")
        if raw is not None:
            # Without a bound, the kernel grows the buffer of a client that does not read to megabytes.
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.limits.send_buffer_bytes)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_socket()
        if self._intake is not None:
            self._intake.stop()
        if self._deadline is not None:
            self._deadline.stop()
        if self._kernel_socket is not None:
            self._kernel_socket.detach()  # the transport closes the file descriptor
        super().connection_lost(exc)
        if self.on_lost is not None:
            self.on_lost()
        self._break_cycles()

    def eof_received(self) -> None:
        """Treats the end of the client's data as the end of the connection: asyncio closes the transport once it has
        sent what it holds.
        """
        if self._socket is not None:
            self._end_socket()
            self.queue.put_nowait({"type": "websocket.disconnect", "code": CloseCode.ABNORMAL_CLOSURE})

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._socket is not None:
            self._socket.filled()
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
        pong, self._pong = self._pong, b""
        if pong:
            self.keep(pong)  # which may make the connection full again
        if self._socket is not None and not self._is_full:
            self._socket.drained()

    def _abort_slow_reader(self) -> None:
        """Closes a client that has stopped reading, without waiting for it to read the rest."""
        if self._can_write:
            self._send_close(SLOW_READER.code, SLOW_READER.reason)
        self.transport.abort()

    def _break_cycles(self) -> None:
        """Drops the references that lead back to this object, so that it does not wait for the garbage collector."""
        self._socket = self._on_frame = self._deadline = self._intake = self.on_lost = None
        if (scope := getattr(self, "scope", None)) is not None:
            scope["extensions"].pop(EXTENSION, None)
        self.conn.parser.close()

    # -- ASGI ---------------------------------------------------------------------------------------------------------

    def receive(self) -> "Future[ASGIReceiveEvent]":  # type: ignore[override]
        """Returns the next event as a future. A coroutine, as in the base class, would live as long as the connection
        does.
        """
        event = self.queue.get()
        if self.queue.empty():
            self.resume_reading()
        return event  # type: ignore[return-value]

    async def send(self, message: ASGISendEvent) -> None:
        if message["type"] == "websocket.close":
            if self._intake is not None:
                self._intake.stop()
            self.resume_reading()  # as the base class is about to do
        await super().send(message)
        if message["type"] == "websocket.close":
            self._linger()
        elif message["type"] == "websocket.accept":
            self.request = self.response = None  # type: ignore[assignment]
        elif message["type"] == "websocket.http.response.body":
            self.handshake_complete = True  # otherwise the base class logs that the handshake was not completed

    # -- data of the client -------------------------------------------------------------------------------------------

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

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:
            self.scope["extensions"][EXTENSION] = self  # type: ignore[assignment]

    def handle_ping(self) -> None:
        """Answers pings. While the connection is full, only the newest is answered (RFC 6455, section 5.5.3)."""
        # The parser has queued the pongs to all pings of this read before the first of them is handled.
        pongs = [pong for pong in self.conn.data_to_send() if pong]
        if pongs and self._is_full:
            self._pong = pongs[-1]
        elif pongs:
            self.transport.write(b"".join(pongs))

    def handle_cont(self, event: Frame) -> None:
        if self.close_sent:
            return
        if len(self.frames) >= self.limits.max_fragments:
            self.close_with(CloseCode.MESSAGE_TOO_BIG, f"more than {self.limits.max_fragments} fragments")
        else:
            super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        """Passes a complete message to `on_frame`, or to the ASGI queue if nobody listens.

        Text that is not UTF-8 closes the connection, without the traceback that the base class logs.
        """
        data = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        self.frames = []
        if self.close_sent:
            return
        text: str | None = None
        if self.curr_msg_data_type == "text":
            try:
                text = data.decode()
            except UnicodeDecodeError:
                self.close_with(CloseCode.INVALID_DATA, "text is not UTF-8")
                return
        if self._on_frame is not None:
            self._on_frame(data if text is None else text)
            return
        if text is None:
            self.queue.put_nowait({"type": "websocket.receive", "bytes": data})
        else:
            self.queue.put_nowait({"type": "websocket.receive", "text": text})
        self.pause_reading()

    # -- closing ------------------------------------------------------------------------------------------------------

    def handle_close(self, event: Frame) -> None:
        self._end_socket()
        super().handle_close(event)

    def handle_parser_exception(self) -> None:
        self._end_socket()
        super().handle_parser_exception()

    def keepalive_timeout(self) -> None:
        if not self._is_read:  # the pong may have arrived, but is not read while an action runs or a budget is spent
            self.pong_timer = self.pending_ping_payload = None
            self.schedule_ping()
            return
        self._end_socket()
        super().keepalive_timeout()

    def shutdown(self) -> None:
        """Closes the connection at the server's shutdown, without waiting for a client that does not read."""
        self._end_socket()
        super().shutdown()
        if self._is_full:
            self.transport.abort()

    def _end_socket(self) -> None:
        """Keeps the socket from writing after the close frame that is about to be sent."""
        if self._socket is not None:
            self._socket.ended()

    def _linger(self) -> None:
        """Gives the client a moment to answer the close frame."""
        if self._intake is not None:
            self._intake.stop()
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
        self._end_socket()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
