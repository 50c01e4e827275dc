"""uvicorn's WebSocket protocol, with what a chat needs of it: direct writes, a deadline for slow readers, bounds.

`manage.py serve` hands it to uvicorn. Everything it offers beyond ASGI is reached through the scope's extension
`roomlog.direct`; to other ASGI apps it is the class that it extends.
"""

import asyncio
import socket
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
from messaging.transport.waiting import LeanEvent, LeanQueue
from messaging.transport.write_deadline import WriteDeadline
from messaging.wire.closes import SLOW_READER
from messaging.wire.limits import Limits


class RoomlogProtocol(WebSocketsSansIOProtocol):
    """One connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.limits: Limits = settings.ROOMLOG_LIMITS
        self.queue = LeanQueue(self.loop)  # type: ignore[assignment]
        self.writable = LeanEvent()  # type: ignore[assignment]
        self._socket: DirectSocket | None = None
        self._on_frame: Callable[[RawFrame], None] | None = None
        self._deadline: WriteDeadline | None = None  # made when the connection is full for the first time
        self._kernel: socket.socket | None = None  # the connection's, which the transport owns
        self._pong = b""  # the newest that could not be sent yet

    # -- what a socket of ours uses --------------------------------------------------------------------------------

    def attach(self, owner: DirectSocket) -> Outlet | None:
        """Have `owner` told how the connection fares.

        Returns what it may send ready frames through, until it has `ended`, while the connection is not `full`; the
        rest is for `keep`. None where all is: what is encrypted does not go straight to the kernel.
        """
        self._socket = owner
        if self.close_sent or self.transport.is_closing():
            owner.ended()
            return None
        if self._is_full:
            owner.filled()
        if not self._is_plain:
            return None
        raw = self.transport.get_extra_info("socket")
        self._kernel = socket.socket(raw.family, raw.type, raw.proto, fileno=raw.fileno())
        return self._kernel.send

    def keep(self, wire: bytes) -> None:
        """Send when the kernel takes more. The connection is full until then."""
        if not self.close_sent and not self.transport.is_closing():
            self.transport.write(wire)

    @property
    def _is_full(self) -> bool:
        """Whether the transport holds what the kernel did not take."""
        return not self.writable.is_set()

    @property
    def _is_plain(self) -> bool:
        return self.transport.get_extra_info("sslcontext") is None

    def listen(self, on_frame: Callable[[RawFrame], None]) -> None:
        """Call `on_frame` with every message from now on, and with those that wait in the ASGI queue."""
        self._on_frame = on_frame
        for event in self.queue.pop_all():  # type: ignore[attr-defined]
            if event["type"] == "websocket.receive":
                on_frame(event.get("text") or event.get("bytes") or "")
            else:
                self.queue.put_nowait(event)
        self.resume_reading()

    def pause_reading(self) -> None:
        if not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()

    def close_with(self, code: int, reason: str) -> None:
        """Say goodbye; the app hears of it as a disconnect."""
        if not self.close_sent and not self.transport.is_closing():
            self._say_close(code, reason)
            self.close_timer = self.loop.call_later(self.close_timeout, self.transport.close)
            self.resume_reading()

    # -- the transport ------------------------------------------------------------------------------------------------

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        # A plain connection is full as soon as the kernel does not take all; encryption has a buffer of its own.
        self.transport.set_write_buffer_limits(high=0 if self._is_plain else self.limits.send_buffer_bytes)
        raw: socket.socket | None = transport.get_extra_info("socket")
        if raw is not None:
            # Else the kernel grows it to megabytes for whoever does not read.
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.limits.send_buffer_bytes)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()
        if self._deadline is not None:
            self._deadline.stop()
        if self._kernel is not None:
            self._kernel.detach()
        super().connection_lost(exc)
        self._untie()

    def eof_received(self) -> None:
        """A client that says no more hears no more: what it was sent is sent, then the transport closes."""
        if self._socket is not None:
            self._end()
            self.queue.put_nowait({"type": "websocket.disconnect", "code": CloseCode.ABNORMAL_CLOSURE})

    def _untie(self) -> None:
        """Let go of whatever holds this one: in a knot it would wait for a full collection, which comes seldom."""
        self._socket = self._on_frame = self._deadline = None
        if (scope := getattr(self, "scope", None)) is not None:
            scope["extensions"].pop(EXTENSION, None)
        self.conn.parser.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._socket is not None:
            self._socket.filled()
        if self._deadline is None:
            self._deadline = WriteDeadline(
                unsent_bytes=self.transport.get_write_buffer_size,
                on_stalled=self._cut,
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
            self.keep(pong)  # which may fill it again
        if self._socket is not None and not self._is_full:
            self._socket.drained()

    def _cut(self) -> None:
        """Close a client that has stopped reading, and drop what it has not read."""
        if not self.close_sent and not self.transport.is_closing():
            self._say_close(SLOW_READER.code, SLOW_READER.reason)
        self.transport.abort()

    # -- ASGI ---------------------------------------------------------------------------------------------------------

    def receive(self) -> "asyncio.Future[ASGIReceiveEvent]":  # type: ignore[override]
        """As the base class does, without a coroutine that waits for as long as the connection lives."""
        event = self.queue.get()
        if self.queue.empty():
            self.resume_reading()
        return event  # type: ignore[return-value]

    async def send(self, message: ASGISendEvent) -> None:
        await super().send(message)
        if message["type"] == "websocket.accept":
            self.request = self.response = None  # type: ignore[assignment]
        elif message["type"] == "websocket.http.response.body":
            self.handshake_complete = True  # it is over, and not to be logged as broken off

    # -- what comes in ------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self.handshake_initiated and self.conn.handshake_exc is not None:
            # A head that is no handshake, or too large for one: the base class would leave the client waiting.
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:
            self.scope["extensions"][EXTENSION] = self  # type: ignore[assignment]

    def handle_ping(self) -> None:
        """Whoever does not read gets an answer to the newest ping alone (RFC 6455, section 5.5.3).

        The answers to all that came together are there with the first of them.
        """
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
        """Hand a message on, as the base class does where nobody listens; but ill-formed UTF-8 is no incident."""
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

    # -- goodbye ------------------------------------------------------------------------------------------------------

    def handle_close(self, event: Frame) -> None:
        self._end()
        super().handle_close(event)

    def handle_parser_exception(self) -> None:
        self._end()
        super().handle_parser_exception()

    def keepalive_timeout(self) -> None:
        if self.read_paused:  # its pong may have come, and waits behind what is being done for it
            self.pong_timer = self.pending_ping_payload = None
            self.schedule_ping()
            return
        self._end()
        super().keepalive_timeout()

    def shutdown(self) -> None:
        """As the base class does; but a client that does not read is not waited for."""
        self._end()
        super().shutdown()
        if self._is_full:
            self.transport.abort()

    def _end(self) -> None:
        """Nothing is sent after a close frame."""
        if self._socket is not None:
            self._socket.ended()

    def _say_close(self, code: int, reason: str) -> None:
        self._end()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
