"""Tells whoever listens in this process that a user's sessions changed. `config` wires the listeners."""

from collections.abc import Callable
from uuid import UUID

import structlog

Listener = Callable[[UUID], None]

log = structlog.get_logger(__name__)
_listeners: list[Listener] = []


def add_listener(listener: Listener) -> None:
    _listeners.append(listener)


def remove_listener(listener: Listener) -> None:
    _listeners.remove(listener)


def announce(user_id: UUID) -> None:
    """Sessions of the user ended, or what was admitted with them must be looked at again. After the commit.

    Never raises: the change stands, and whoever missed it finds it with the sweep.
    """
    for listener in tuple(_listeners):
        try:
            listener(user_id)
        except Exception:
            log.exception("listener failed", listener=repr(listener))
