"""Who in this process wants to hear of something that was committed. Services tell; `config` wires the listeners."""

from collections.abc import Callable
from typing import Generic, TypeVar

import structlog

News = TypeVar("News")

log = structlog.get_logger(__name__)


class Listeners(Generic[News]):
    """Called in the order in which they were added, on the thread that tells."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[News], None]] = []

    def add(self, listener: Callable[[News], None]) -> None:
        self._listeners.append(listener)

    def remove(self, listener: Callable[[News], None]) -> None:
        self._listeners.remove(listener)

    def notify(self, news: News) -> None:
        """Hand `news` to every listener. Never raises: what is committed is committed."""
        for listener in tuple(self._listeners):
            try:
                listener(news)
            except Exception:
                log.exception("listener failed", listener=repr(listener))
