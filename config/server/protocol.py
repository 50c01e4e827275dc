"""The requests of a connection: bounds on their heads, bodies, number and time, and refusals in the shape of REST.

`manage.py serve` passes the class to uvicorn. It is not part of `messaging`, because it is about all of HTTP and
answers in the shape of `api.problems`.
"""

from enum import Enum, auto
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from api.problems import closing_answer
from config.server.connection import HttpConnection
from config.server.kernel import reset
from foundation.errors import DomainError, HeadTooLarge, Invalid, RateLimited, RequestTimeout, TargetTooLong


class _Phase(Enum):
    """Which part of a request arrives next."""

    BETWEEN = auto()
    HEAD = auto()
    BODY = auto()


class _Unacceptable(Exception):
    """What a callback raises in the parser."""


class HttpProtocol(HttpConnection):
    """One connection, until it ends or becomes a WebSocket."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._most_head_bytes = self.limits.http_head_max_bytes
        self._most_headers = self.limits.http_max_headers
        # The request that arrives.
        self._phase = _Phase.BETWEEN
        self._head_bytes = 0
        self._partial_bytes = 0  # of a header that the parser has yet to report
        self._fault: DomainError | None = None  # which a callback of the parser has found
        self._requests = 0
        self._is_last = False  # whether no request follows the present one
        self._refusal: DomainError | None = None  # the answer to what comes after the requests that are answered

    # -- reading ------------------------------------------------------------------------------------------------------

    @property
    def is_between_requests(self) -> bool:
        return self._phase is _Phase.BETWEEN

    def is_busy(self) -> bool:
        """Whether the next bytes must wait: for the application, or for the answers to earlier requests."""
        is_full = self._phase is _Phase.BETWEEN and len(self.pipeline) >= self.limits.http_pipeline
        return is_full or self.flow.read_paused or self._is_input_over

    def reading_changed(self) -> None:
        """Goes on, or waits, as the application wants. A body has all of its time again."""
        if self._intake is not None and not self._is_input_over:
            if self._phase is _Phase.BODY and self._timer is not None:
                self._set_timer(self.limits.http_body_timeout_s, self._body_is_late)
            self._intake.resume()
        self._read_or_pause()

    def parse(self, data: bytes) -> None:
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
                self._set_timer(self.limits.http_head_timeout_s, self.head_is_late)
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
        """Ends the parsing from within a callback. `parse` answers with `error`."""
        self._fault = error
        raise _Unacceptable  # not `error`: its traceback would refer to this frame, and the frame to it

    # -- lateness -----------------------------------------------------------------------------------------------------

    def head_is_late(self) -> None:
        if self._phase is _Phase.HEAD:
            self._refuse(RequestTimeout())
        else:  # not a byte of a request has come
            self._close()

    def _body_is_late(self) -> None:
        if self.flow.read_paused:  # the application does not want the rest yet
            self._set_timer(self.limits.http_body_timeout_s, self._body_is_late)
        else:
            self._refuse(RequestTimeout())

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
            self.reading_changed()

    def refuse_flood(self) -> None:
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
