"""Publishes committed changes of rooms inside this process. `config` registers the listeners."""

from collections.abc import Sequence

from foundation.listeners import Listeners
from rooms.notices import Notice

_listeners: Listeners[Sequence[Notice]] = Listeners()
add_listener = _listeners.add
remove_listener = _listeners.remove


def broadcast(notices: Sequence[Notice]) -> None:
    """Passes the notices of committed changes to every listener, on the calling thread.

    Call it after the commit, from any thread, with the notices of a room in the order of their seq. Never raises, and
    makes no query. A listener that misses a notice finds a hole in the seqs, and reads the entries from the log.
    """
    _listeners.notify(notices)
