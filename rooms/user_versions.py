"""The versions of users, which order what concerns a user as `seq` orders what happens in a room. Knows no permissions.

A change that concerns a user raises their version, and marks the membership that it is about with it. Nothing else is
stored: what a user has not been told is the present state of each membership that was marked since.
"""

from collections.abc import Iterable
from uuid import UUID

from django.db import connection

from foundation.sql import Lookup, as_uuid

_RAISE = Lookup(
    """
    INSERT INTO rooms_userhead (user_id, version) SELECT key, number FROM input WHERE TRUE ORDER BY key
    ON CONFLICT (user_id) DO UPDATE SET version = rooms_userhead.version + 1
    RETURNING user_id, version
    """,
    key="uuid",
)


def raise_versions(user_ids: Iterable[UUID]) -> dict[UUID, int]:
    """Raises the version of each of these users by one, and returns the new ones. One query for any number of users.

    Locks them in sorted order until the end of the transaction, so that versions are committed in their order. Call it
    after locking the heads of rooms and before changing memberships, and set the version on one membership of each
    user (`user_version`, and the column of its kind).
    """
    rows = _RAISE.run(dict.fromkeys(user_ids, 1))
    return {as_uuid(user_id): version for user_id, version in rows}


def get_version(*, user_id: UUID) -> int:
    """Returns the user's version: 0 if no change has concerned them yet. One query, in plain SQL as for the epoch."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT version FROM rooms_userhead WHERE user_id = %s", [user_id.hex])
        row = cursor.fetchone()
    return row[0] if row else 0
