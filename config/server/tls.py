"""TLS that begins once a connection is counted. uvicorn's own would begin before our protocol class hears of it."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

import django
import uvicorn


class ServerConfig(uvicorn.Config):
    """Keeps the TLS context from uvicorn's listener, in `tls_context`, for our HTTP protocol. None without TLS."""

    tls_context: ssl.SSLContext | None = None

    def load(self) -> None:
        """Sets up Django first: in a worker, uvicorn imports our protocol classes before the application does that."""
        django.setup()
        super().load()
        self.tls_context, self.ssl = self.ssl, None


class TlsOpening:
    """A TLS handshake on `transport`, after which `protocol` is connected to another transport.

    Calls `on_open` with that, or `on_failed` if there is none after `timeout_s` seconds. When the connection is closed,
    the client has `end_s` seconds to close its side. Make one in `connection_made`.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        protocol: asyncio.Protocol,
        context: ssl.SSLContext,
        *,
        timeout_s: float,
        end_s: float,
        on_open: Callable[[asyncio.Transport], None],
        on_failed: Callable[[], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._on_open = on_open
        self._on_failed = on_failed
        self._handshake = loop.start_tls(
            transport,
            protocol,
            context,
            server_side=True,
            ssl_handshake_timeout=timeout_s,
            ssl_shutdown_timeout=end_s,
        )
        # A task would begin in a later step of the loop, when bytes of the client may have come to `protocol`.
        self._step()

    def _step(self, _: Any = None) -> None:
        try:
            waiter: asyncio.Future[Any] = self._handshake.send(None)
        except StopIteration as end:
            if end.value.is_closing():  # the client has hung up
                self._on_failed()
            else:
                self._on_open(end.value)
        except (OSError, asyncio.CancelledError):  # what is not TLS, too late, or lost
            self._on_failed()
        else:
            waiter.add_done_callback(self._step)
