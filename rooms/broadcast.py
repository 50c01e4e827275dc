"""Tells what was committed in rooms."""

from collections.abc import Sequence

from foundation.listeners import Listeners
from rooms.notices import Notice

_listeners: Listeners[Sequence[Notice]] = Listeners()
add_listener = _listeners.add
remove_listener = _listeners.remove


def broadcast(notices: Sequence[Notice]) -> None:
    """Hand `notices` (of committed changes, in the order of their seq) to every listener, from any thread.

    Whoever misses it sees the hole.
    """
    _listeners.notify(notices)
