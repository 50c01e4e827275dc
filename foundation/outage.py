"""What a database that fails means for whoever asked, over both doors."""

from typing import Final

from django.db import InterfaceError, OperationalError

from foundation.errors import Overloaded, Unavailable

OUTAGES: Final = (OperationalError, InterfaceError)
RETRY_AFTER_S = 1.0


def outage_of(error: OperationalError | InterfaceError) -> Overloaded | Unavailable:
    """The refusal that `error`, of either engine, amounts to.

    `Overloaded` where a lock was not to be had: surely not done. `Unavailable` where the connection was lost or not
    to be had: it may have been done.
    """
    if is_lock_timeout(error):
        return Overloaded(retry_after=RETRY_AFTER_S)
    return Unavailable("The database is not to be had at the moment: try again.", retry_after=RETRY_AFTER_S)


def is_lock_timeout(error: OperationalError | InterfaceError) -> bool:
    """Whether others held for too long what was to be locked."""
    # 55P03 is lock_not_available; SQLite says it in words.
    return getattr(error.__cause__, "sqlstate", None) == "55P03" or "database is locked" in str(error)
