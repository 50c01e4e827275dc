"""What uvicorn's requests use in place of the connection: both leave the decision to our protocol class."""

import asyncio
from collections.abc import Callable

from uvicorn.protocols.http.flow_control import FlowControl


class Flow(FlowControl):
    """Calls `on_changed` when the application wants to read, or no more, instead of telling the transport."""

    def __init__(self, transport: asyncio.Transport, on_changed: Callable[[], None]) -> None:
        super().__init__(transport)
        self._on_changed = on_changed

    def detach(self) -> None:
        """Forgets the protocol, whose connection has ended."""
        self._on_changed = lambda: None

    def pause_reading(self) -> None:
        if not self.read_paused:
            self.read_paused = True
            self._on_changed()

    def resume_reading(self) -> None:
        if self.read_paused:
            self.read_paused = False
            self._on_changed()


class Outlet:
    """The transport, with a way of closing that is not its own."""

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self.write = transport.write
        self.is_closing = transport.is_closing
        self.close = close
