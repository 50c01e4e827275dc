"""uvicorn's WebSocket protocol with direct writes, and frames that come straight from the parser.

`manage.py serve` passes the class to uvicorn. An application reaches what goes beyond ASGI through the extension
`roomlog.direct` of the scope (`DirectConnection`). Towards any other application it behaves as uvicorn's own class,
within the bounds of `bounded_protocol`.
"""

import socket
from asyncio import Future
from collections.abc import Callable
from typing import Any

from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
from websockets.frames import CloseCode
from websockets.http11 import Request

from messaging.fanout.feed import Outlet
from messaging.transport.bounded_protocol import BoundedProtocol
from messaging.transport.direct import EXTENSION, DirectSocket
from messaging.transport.frame_queue import RawFrame


class RoomlogProtocol(BoundedProtocol):
    """One connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._socket: DirectSocket | None = None
        self._on_frame: Callable[[RawFrame], None] | None = None
        self._kernel_socket: socket.socket | None = None  # shares the file descriptor of the transport
        self._pong = b""  # the newest pong that waits until the connection is no longer full

    # -- as a `DirectConnection` --------------------------------------------------------------------------------------

    def attach(self, owner: DirectSocket) -> Outlet | None:
        """Reports to `owner` from now on.

        Returns a function that writes frames to the kernel, or None if the connection must go through the transport
        (TLS) or is closing already.
        """
        self._socket = owner
        if not self.can_write:
            owner.ended()
            return None
        if self.is_full:
            owner.filled()
        if self.is_encrypted:
            return None
        raw = self.transport.get_extra_info("socket")
        self._kernel_socket = socket.socket(raw.family, raw.type, raw.proto, fileno=raw.fileno())
        return self._kernel_socket.send

    @property
    def is_open(self) -> bool:
        return self.can_write

    def keep(self, wire: bytes) -> None:
        """Sends framed bytes when the kernel takes them. The connection is full until it has taken all of them."""
        if self.can_write:
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

    def will_close(self) -> None:
        """Keeps the socket from writing after the close frame that is about to be sent."""
        if self._socket is not None:
            self._socket.ended()

    # -- calls of the transport ---------------------------------------------------------------------------------------

    def connection_lost(self, exc: Exception | None) -> None:
        self.will_close()
        if self._kernel_socket is not None:
            self._kernel_socket.detach()  # the transport closes the file descriptor
        super().connection_lost(exc)

    def break_cycles(self) -> None:
        super().break_cycles()
        self._socket = self._on_frame = None
        if (scope := getattr(self, "scope", None)) is not None:
            scope["extensions"].pop(EXTENSION, None)

    def eof_received(self) -> None:
        """Treats the end of the client's data as the end of the connection: asyncio closes the transport once it has
        sent what it holds.
        """
        if self._socket is not None:
            self.will_close()
            self.queue.put_nowait({"type": "websocket.disconnect", "code": CloseCode.ABNORMAL_CLOSURE})

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._socket is not None:
            self._socket.filled()

    def resume_writing(self) -> None:
        super().resume_writing()
        pong, self._pong = self._pong, b""
        if pong:
            self.keep(pong)  # which may make the connection full again
        if self._socket is not None and not self.is_full:
            self._socket.drained()

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
            self.stop_intake()
            self.resume_reading()  # as the base class is about to do
        await super().send(message)
        if message["type"] == "websocket.close":
            self.linger()
        elif message["type"] == "websocket.accept":
            self.request = self.response = None  # type: ignore[assignment]
        elif message["type"] == "websocket.http.response.body":
            self.handshake_complete = True  # otherwise the base class logs that the handshake was not completed

    # -- data of the client -------------------------------------------------------------------------------------------

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:
            self.scope["extensions"][EXTENSION] = self  # type: ignore[assignment]

    def handle_ping(self) -> None:
        """Answers pings. While the connection is full, only the newest is answered (RFC 6455, section 5.5.3)."""
        # The parser has queued the pongs to all pings of this read before the first of them is handled.
        pongs = [pong for pong in self.conn.data_to_send() if pong]
        if pongs and self.is_full:
            self._pong = pongs[-1]
        elif pongs:
            self.transport.write(b"".join(pongs))

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
