"""Tells that a user's sessions changed."""

from uuid import UUID

from foundation.listeners import Listeners

_listeners: Listeners[UUID] = Listeners()
add_listener = _listeners.add
remove_listener = _listeners.remove


def announce(user_id: UUID) -> None:
    """Sessions of the user ended, or what was admitted with them must be looked at again. After the commit.

    Whoever misses it finds it with the sweep.
    """
    _listeners.notify(user_id)
