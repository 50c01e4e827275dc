"""uvicorn's HTTP protocol with bounds on what a client may send, on its time, and on what it leaves unread.

`manage.py serve` passes the class to uvicorn. It is the beginning of every connection, sockets included, so that the
connections of the process are counted here. It is not part of `messaging`, because it is about all of HTTP and answers
in the shape of `api.problems`.
"""

import asyncio
from collections.abc import Callable
from enum import Enum, auto
from typing import Any, Final

import httptools
from django.conf import settings
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.utils import get_remote_addr

from api.problems import closing_answer
from config.server.admitted import bounds_of
from config.server.bounds import Lease
from config.server.flow import Flow, Outlet
from config.server.heads import HeadScanner
from config.server.kernel import bound_kernel, reset, unbound_stall
from config.server.tls import TlsOpening
from foundation.errors import DomainError, HeadTooLarge, Invalid, Overloaded, RateLimited, RequestTimeout, TargetTooLong
from messaging.transport.intake import Intake, budgets_of
from messaging.transport.uvicorn_protocol import RoomlogProtocol
from messaging.transport.write_deadline import WriteDeadline
from messaging.wire.limits import Limits

# After our last answer, the client has this time to read it and to close, and these bytes are read and dropped: if we
# closed over bytes that we have not read, the connection would be reset and the answer lost (RFC 9112, section 9.6).
LINGER_S: Final = 2.0
LINGER_BYTES: Final = 256 * 1024


class _Phase(Enum):
    """Which part of a request arrives next."""

    BETWEEN = auto()
    HEAD = auto()
    BODY = auto()


class _Unacceptable(Exception):
    """What a callback raises in the parser."""


class HttpProtocol(HttpToolsProtocol):
    """One connection, until it ends or becomes a WebSocket."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.limits: Limits = settings.ROOMLOG_LIMITS
        self.timeout_keep_alive = self.limits.http_keep_alive_s  # type: ignore[assignment]
        self._most_head_bytes = self.limits.http_head_max_bytes
        self._most_headers = self.limits.http_max_headers
        self._bounds = bounds_of(self.app_state, now=self.loop.time)
        self._lease: Lease | None = None
        self._raw: asyncio.Transport | None = None  # below TLS
        self._early = b""  # what came together with the end of the TLS handshake, on loops other than uvloop
        self._outlet: Outlet | None = None
        self._scanner = HeadScanner()
        self._intake: Intake | None = None  # from the beginning of HTTP to the end
        self._deadline: WriteDeadline | None = None  # most connections never need one
        self._timer: asyncio.TimerHandle | None = None  # of a head, of a body, or of the end
        self._is_read = True  # whether the transport reads
        # The request that arrives.
        self._phase = _Phase.BETWEEN
        self._head_bytes = 0
        self._partial_bytes = 0  # of a header that the parser has yet to report
        self._fault: DomainError | None = None  # which a callback of the parser has found
        self._requests = 0
        # The requests that are answered.
        self._running: RequestResponseCycle | None = None
        self._refusal: DomainError | None = None  # the answer to what comes after them
        # The end.
        self._is_last = False  # whether no request follows the present one
        self._is_input_over = False  # nothing is parsed any more
        self._is_output_over = False  # the last answer is written
        self._unparsed_bytes = 0

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
        self.flow: Flow = Flow(transport, self._reading_changed)
        self._outlet = Outlet(transport, self._finish)
        # It stays full until it is empty, so that nothing is added while the deadline watches it.
        transport.set_write_buffer_limits(high=self.limits.send_buffer_bytes, low=0)
        bound_kernel(transport, send_bytes=self.limits.send_buffer_bytes, stalled_s=self.limits.stalled_writer_s)
        peer = self.client[0] if self.client else None
        # A proxy serves many clients.
        has_budget = settings.ROOMLOG_RATE_LIMITS and self._bounds.counted_address(peer) is not None
        self._intake = Intake(
            parse=self._parse,
            is_paused=self._is_busy,
            on_changed=self._read_or_pause,
            on_flood=self._refuse_flood,
            budgets=budgets_of(self.limits, now=self.loop.time())[:1] if has_budget else (),
            patience_s=self.limits.flood_patience_s,
            loop=self.loop,
            scanner=self._scanner,
            per_step=1,
        )
        self._set_timer(self.limits.http_head_timeout_s, self._head_is_late)
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

    # -- reading ------------------------------------------------------------------------------------------------------

    def _is_busy(self) -> bool:
        """Whether the next bytes must wait: for the application, or for the answers to earlier requests."""
        is_full = self._phase is _Phase.BETWEEN and len(self.pipeline) >= self.limits.http_pipeline
        return is_full or self.flow.read_paused or self._is_input_over

    def _reading_changed(self) -> None:
        """Goes on, or waits, as the application wants. A body has all of its time again."""
        if self._intake is not None and not self._is_input_over:
            if self._phase is _Phase.BODY and self._timer is not None:
                self._set_timer(self.limits.http_body_timeout_s, self._body_is_late)
            self._intake.resume()
        self._read_or_pause()

    def _read_or_pause(self) -> None:
        """Reads from the kernel while the bytes are wanted. After the last request, a few are read and dropped."""
        if self._intake is None:
            return
        if self._is_input_over:
            wanted = self._unparsed_bytes <= LINGER_BYTES
        else:
            wanted = not self._intake.is_full and not self._is_busy()
        if wanted and not self._is_read:
            self._is_read = True
            self.transport.resume_reading()
        elif not wanted and self._is_read:
            self._is_read = False
            self.transport.pause_reading()

    def _parse(self, data: bytes) -> None:
        if self._is_input_over:  # these bytes are those that were too many
            return
        phase, head_bytes = self._phase, self._head_bytes
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            if self._should_upgrade():
                self.handle_websocket_upgrade()
                return
        except httptools.HttpParserError:
            fault, self._fault = self._fault, None
            self._refuse(fault or Invalid("The request is malformed."))
            return
        if self._phase is _Phase.HEAD:
            is_same = phase is _Phase.HEAD and self._head_bytes == head_bytes
            self._partial_bytes = self._partial_bytes + len(data) if is_same else 0
            if self._head_bytes + self._partial_bytes > self._most_head_bytes:
                self._refuse(HeadTooLarge())
            elif self._timer is None:
                self._set_timer(self.limits.http_head_timeout_s, self._head_is_late)
        elif self._phase is _Phase.BODY and self._timer is None:
            self._set_timer(self.limits.http_body_timeout_s, self._body_is_late)
        self._scanner.in_body = self._phase is _Phase.BODY

    # -- calls of the parser ------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._unset_keepalive_if_required()
        self._phase = _Phase.HEAD
        self._head_bytes = 0
        self._requests += 1

    def on_url(self, url: bytes) -> None:
        self._head_bytes += len(url)
        if self._head_bytes > self._most_head_bytes:
            self._fail(TargetTooLong())
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Counts a header. Those after a chunked body are dropped, because a proxy may not have seen them."""
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes > self._most_head_bytes or len(self.headers) >= self._most_headers:
            self._fail(HeadTooLarge())
        if self._phase is _Phase.HEAD:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._unset_timer()
        is_upgrade = self.parser.should_upgrade()
        if is_upgrade and self._should_upgrade():
            if self._is_answering:
                self._fail(Invalid("A WebSocket handshake must wait for the answers to earlier requests."))
            super().on_headers_complete()
            self._phase = _Phase.BODY
            return
        was_paused = self.flow.read_paused
        super().on_headers_complete()
        self._phase = _Phase.BODY
        if not was_paused:
            self.flow.resume_reading()  # the base class has paused for a second request: we count them
        self.cycle.transport = self._outlet  # type: ignore[assignment]
        # After an upgrade that we do not know, the parser would take a body for another request.
        if is_upgrade or self._requests >= self.limits.http_max_requests:
            self.cycle.keep_alive = False
        self._is_last = not self.cycle.keep_alive

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._unset_timer()
        self._phase = _Phase.BETWEEN
        if self._is_last:
            self._end_input()

    def _fail(self, error: DomainError) -> None:
        """Ends the parsing from within a callback. `_parse` answers with `error`."""
        self._fault = error
        raise _Unacceptable  # not `error`: its traceback would refer to this frame, and the frame to it

    # -- deadlines ----------------------------------------------------------------------------------------------------

    def _set_timer(self, delay_s: float, on_late: Callable[[], None]) -> None:
        self._unset_timer()
        self._timer = self.loop.call_later(delay_s, on_late)

    def _unset_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _head_is_late(self) -> None:
        if self._phase is _Phase.HEAD:
            self._refuse(RequestTimeout())
        else:  # not a byte of a request has come
            self._close()

    def _body_is_late(self) -> None:
        if self.flow.read_paused:  # the application does not want the rest yet
            self._set_timer(self.limits.http_body_timeout_s, self._body_is_late)
        else:
            self._refuse(RequestTimeout())

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

    # -- answers ------------------------------------------------------------------------------------------------------

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        if self._is_output_over:
            self.server_state.total_requests += 1
            return
        super().on_response_complete()
        if self._phase is _Phase.HEAD:  # of the next request, which has a time of its own
            self._unset_keepalive_if_required()
        if self._refusal is not None and not self.pipeline and not self._is_answering:
            self._answer(self._refusal)
        else:
            self._reading_changed()

    def _refuse_flood(self) -> None:
        self._refuse(RateLimited("The connection sends more than `bytes_per_s`.", retry_after=1.0))

    def _refuse(self, error: DomainError) -> None:
        """Answers the request that is arriving with `error`, after those before it, and ends the connection."""
        if self._is_input_over:
            return
        is_body = self._phase is _Phase.BODY
        self._end_input()
        if not self._is_answering:
            self._answer(error)
        elif not is_body:
            self._refusal = error
        elif self.pipeline:  # the body belongs to the last request that waits
            self.pipeline.popleft()
            self.cycle = self.pipeline[0][0] if self.pipeline else self._running  # type: ignore[assignment]
            self._refusal = error
        elif self.cycle.response_started:
            reset(self.transport)
        else:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            self._answer(error)

    def _answer(self, error: DomainError) -> None:
        headers, content = closing_answer(error)
        lines = [STATUS_LINE[error.status]]
        lines += [b"%b: %b\r\n" % header for header in (*self.server_state.default_headers, *headers)]
        self.transport.write(b"".join([*lines, b"\r\n", content]))
        self._finish()

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
        has_more = self._phase is not _Phase.BETWEEN or not self._is_input_over
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
        if not self._is_read:
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
