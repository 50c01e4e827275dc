"""The beginning and the end of every connection to the server: counting, TLS, reading, deadlines, closing.

It is the beginning of sockets as well, so that the connections of the process are counted here. `protocol` adds the
requests of HTTP.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from django.conf import settings
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.utils import get_remote_addr

from config.server.admitted import bounds_of
from config.server.bounds import Lease
from config.server.flow import Flow, Outlet
from config.server.heads import HeadScanner
from config.server.kernel import bound_kernel, reset, unbound_stall
from config.server.tls import TlsOpening
from foundation.errors import Overloaded
from messaging.transport.intake import Intake, budgets_of
from messaging.transport.uvicorn_protocol import RoomlogProtocol
from messaging.transport.write_deadline import WriteDeadline
from messaging.wire.limits import Limits

# After our last answer, the client has this time to read it and to close, and these bytes are read and dropped: if we
# closed over bytes that we have not read, the connection would be reset and the answer lost (RFC 9112, section 9.6).
LINGER_S: Final = 2.0
LINGER_BYTES: Final = 256 * 1024


class HttpConnection(HttpToolsProtocol):
    """One connection, until it ends or becomes a WebSocket. A subclass parses what `_intake` passes on."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.limits: Limits = settings.ROOMLOG_LIMITS
        self.timeout_keep_alive = self.limits.http_keep_alive_s  # type: ignore[assignment]
        self._bounds = bounds_of(self.app_state, now=self.loop.time)
        self._lease: Lease | None = None
        self._raw: asyncio.Transport | None = None  # below TLS
        self._early = b""  # what came together with the end of the TLS handshake, on loops other than uvloop
        self._outlet: Outlet | None = None
        self._scanner = HeadScanner()
        self._intake: Intake | None = None  # from the beginning of HTTP to the end
        self._deadline: WriteDeadline | None = None  # most connections never need one
        self._timer: asyncio.TimerHandle | None = None  # of a head, of a body, or of the end
        self._running: RequestResponseCycle | None = None  # the request that is answered
        self._is_input_over = False  # nothing is parsed any more
        self._is_output_over = False  # the last answer is written
        self._unparsed_bytes = 0

    # -- what the subclass knows of requests --------------------------------------------------------------------------

    @property
    def is_between_requests(self) -> bool:
        raise NotImplementedError

    def is_busy(self) -> bool:
        """Whether the next bytes must wait."""
        raise NotImplementedError

    def parse(self, data: bytes) -> None:
        raise NotImplementedError

    def reading_changed(self) -> None:
        """Called when the application wants more of a body, or no more for now."""
        raise NotImplementedError

    def refuse_flood(self) -> None:
        raise NotImplementedError

    def head_is_late(self) -> None:
        raise NotImplementedError

    # -- calls of the transport ---------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Counts the connection before anything else. One too many is reset at once."""
        self.transport = transport
        peer = get_remote_addr(transport)
        try:
            self._lease = self._bounds.connections.take(self._bounds.counted_address(peer[0] if peer else None))
        except Overloaded:
            reset(self.transport)
            return
        context = getattr(self.config, "tls_context", None)
        if context is None:
            self._begin(transport)
        else:
            self._raw = transport
            TlsOpening(
                transport,
                self,
                context,
                timeout_s=self.limits.tls_handshake_timeout_s,
                end_s=self.limits.stalled_writer_s,
                on_open=self._begin,
                on_failed=self._end_unopened,
                loop=self.loop,
            )

    def _begin(self, transport: asyncio.Transport) -> None:
        """Begins with HTTP, on a transport that is encrypted if TLS is served."""
        super().connection_made(transport)
        self.flow: Flow = Flow(transport, self.reading_changed)
        self._outlet = Outlet(transport, self._finish)
        # It stays full until it is empty, so that nothing is added while the deadline watches it.
        transport.set_write_buffer_limits(high=self.limits.send_buffer_bytes, low=0)
        bound_kernel(transport, send_bytes=self.limits.send_buffer_bytes, stalled_s=self.limits.stalled_writer_s)
        peer = self.client[0] if self.client else None
        # A proxy serves many clients.
        has_budget = settings.ROOMLOG_RATE_LIMITS and self._bounds.counted_address(peer) is not None
        self._intake = Intake(
            parse=self.parse,
            is_paused=self.is_busy,
            on_changed=self._read_or_pause,
            on_flood=self.refuse_flood,
            budgets=budgets_of(self.limits, now=self.loop.time())[:1] if has_budget else (),
            patience_s=self.limits.flood_patience_s,
            loop=self.loop,
            scanner=self._scanner,
            per_step=1,
        )
        self._set_timer(self.limits.http_head_timeout_s, self.head_is_late)
        early, self._early = self._early, b""
        if early:
            self.data_received(early)

    def connection_lost(self, exc: Exception | None) -> None:
        self._release()
        self._unset_timer()
        self._unset_keepalive_if_required()
        if self._deadline is not None:
            self._deadline.stop()
        if self._intake is not None:
            self._intake.stop()
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()
        super().connection_lost(exc)
        self._break_cycles()

    def data_received(self, data: bytes) -> None:
        if self._is_input_over:
            self._unparsed_bytes += len(data)
        elif self._intake is not None:
            self._intake.put(data)
        else:
            self._early += data
        self._read_or_pause()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._start_deadline()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._deadline is not None and not self._is_output_over:
            self._deadline.stop()

    def _read_or_pause(self) -> None:
        """Reads from the kernel while the bytes are wanted. After the last request, a few are read and dropped."""
        if self._intake is None:
            return
        if self._is_input_over:
            is_wanted = self._unparsed_bytes <= LINGER_BYTES
        else:
            is_wanted = not self._intake.is_full and not self.is_busy()
        if is_wanted:
            self.transport.resume_reading()
        else:
            self.transport.pause_reading()

    # -- deadlines ----------------------------------------------------------------------------------------------------

    def _set_timer(self, delay_s: float, on_late: Callable[[], None]) -> None:
        self._unset_timer()
        self._timer = self.loop.call_later(delay_s, on_late)

    def _unset_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _start_deadline(self) -> None:
        if self._deadline is None:
            self._deadline = WriteDeadline(
                unsent_bytes=self._unsent_bytes,
                on_stalled=self._abort_slow_reader,
                stalled_s=self.limits.stalled_writer_s,
                loop=self.loop,
            )
        self._deadline.start()

    def _abort_slow_reader(self) -> None:
        if self._unsent_bytes():
            reset(self.transport)

    def _unsent_bytes(self) -> int:
        unsent = self.transport.get_write_buffer_size()
        return unsent if self._raw is None else unsent + self._raw.get_write_buffer_size()

    # -- the end ------------------------------------------------------------------------------------------------------

    def _end_input(self) -> None:
        """Parses nothing any more."""
        self._is_input_over = True
        self._unset_timer()
        self._unset_keepalive_if_required()
        if self._intake is not None:
            if self._intake.is_full:
                self._unparsed_bytes += 1
            self._intake.stop()

    def _finish(self) -> None:
        """Ends the connection after its last answer."""
        if self._is_output_over:
            return
        self._is_output_over = True
        has_more = not self.is_between_requests or not self._is_input_over
        self._end_input()
        if not has_more and not self._unparsed_bytes:
            self._close()
            return
        self._start_deadline()
        if self.transport.can_write_eof():  # TLS cannot
            self.transport.write_eof()
        self._set_timer(LINGER_S, self._end_linger)
        self._read_or_pause()

    def _close(self) -> None:
        """Closes the connection. TLS waits for the client to close, too, and would read what it sends until then."""
        self._is_output_over = True
        self._start_deadline()
        self.transport.close()
        if self._raw is not None:
            self._raw.pause_reading()
            self._set_timer(LINGER_S, self._end_linger)

    def _end_linger(self) -> None:
        """Ends the connection once the client has taken what it was sent. For that, there is the write deadline."""
        if self._unsent_bytes():
            self._set_timer(LINGER_S, self._end_linger)
        else:
            self.transport.abort()

    def timeout_keep_alive_handler(self) -> None:
        self._close()

    def _end_unopened(self) -> None:
        """Takes notice that TLS has failed, after which the transport says nothing more."""
        self._release()
        self._break_cycles()

    def _release(self) -> None:
        lease, self._lease = self._lease, None
        if lease is not None:
            lease.release()

    def handle_websocket_upgrade(self) -> None:
        """Hands the connection on, with its place, to the protocol class of WebSockets."""
        self._unset_timer()
        if self._intake is not None:
            self._intake.stop()
        self.transport.resume_reading()
        unbound_stall(self.transport)  # sockets have pings
        lease, self._lease = self._lease, None
        super().handle_websocket_upgrade()
        successor = self.transport.get_protocol()
        if lease is not None:
            if isinstance(successor, RoomlogProtocol):
                successor.on_lost = lease.release
            else:
                lease.release()
        self._break_cycles()

    def _break_cycles(self) -> None:
        """Drops the references that lead back to this object, so that it does not wait for the garbage collector."""
        self._outlet = self._intake = self._deadline = self._running = None
        if self.flow is not None:
            self.flow.detach()
        self.cycle = self.parser = None  # type: ignore[assignment]
        self.pipeline.clear()
