"""Tells whoever listens in this process what was committed. Services call it; `config` wires the listeners."""

from collections.abc import Callable, Sequence

import structlog

from rooms.events import Notice

Listener = Callable[[Sequence[Notice]], None]

log = structlog.get_logger(__name__)
_listeners: list[Listener] = []


def add_listener(listener: Listener) -> None:
    _listeners.append(listener)


def remove_listener(listener: Listener) -> None:
    _listeners.remove(listener)


def broadcast(notices: Sequence[Notice]) -> None:
    """Hand `notices` (of committed changes, in the order of their seq) to every listener, from any thread.

    Never raises: what is committed is committed, and whoever missed it sees the hole.
    """
    for listener in tuple(_listeners):
        try:
            listener(notices)
        except Exception:
            log.exception("listener failed", listener=repr(listener))
