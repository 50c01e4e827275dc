"""Publishes changes to the sessions of users, to listeners in this process."""

from uuid import UUID

from foundation.listeners import Listeners

_listeners: Listeners[UUID] = Listeners()
add_listener = _listeners.add
remove_listener = _listeners.remove


def announce(user_id: UUID) -> None:
    """Notifies listeners that sessions of this user have ended, or that their sockets must be checked again.

    Call it after the commit. Never raises. A process that misses it finds the change in its next sweep.
    """
    _listeners.notify(user_id)
