"""Maps failures of the database to errors for the client, the same over REST and the socket."""

from typing import Final

from django.db import InterfaceError, OperationalError

from foundation.errors import Overloaded, Unavailable

OUTAGES: Final = (OperationalError, InterfaceError)
RETRY_AFTER_S = 1.0


def outage_of(error: OperationalError | InterfaceError) -> Overloaded | Unavailable:
    """Returns the error to report for `error`, which either engine may have raised. `retry_after` is set.

    `Overloaded` if a lock could not be acquired in time: nothing was changed. `Unavailable` if the connection was lost
    or could not be opened: the change may have been committed.
    """
    if is_lock_timeout(error):
        return Overloaded(retry_after=RETRY_AFTER_S)
    return Unavailable("The database is not available at the moment. Try again.", retry_after=RETRY_AFTER_S)


def is_lock_timeout(error: OperationalError | InterfaceError) -> bool:
    """Returns whether `error` says that a lock could not be acquired in time."""
    # 55P03 is lock_not_available. SQLite has only its message.
    return getattr(error.__cause__, "sqlstate", None) == "55P03" or "database is locked" in str(error)
