"""Callbacks in this process for changes that were committed. Services publish; `config` registers the listeners."""

from collections.abc import Callable
from typing import Generic, TypeVar

import structlog

PayloadT = TypeVar("PayloadT")

log = structlog.get_logger(__name__)


class Listeners(Generic[PayloadT]):
    """Callbacks that `notify` calls on its own thread, in the order in which they were added."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[PayloadT], None]] = []

    def add(self, listener: Callable[[PayloadT], None]) -> None:
        self._listeners.append(listener)

    def remove(self, listener: Callable[[PayloadT], None]) -> None:
        """Removes a listener. Raises `ValueError` if it was not added."""
        self._listeners.remove(listener)

    def notify(self, payload: PayloadT) -> None:
        """Calls every listener with `payload`. Never raises, because the change is already committed.

        If a listener raises, the exception is logged and the next listener is called.
        """
        for listener in tuple(self._listeners):
            try:
                listener(payload)
            except Exception:
                log.exception("listener failed", listener=repr(listener))
