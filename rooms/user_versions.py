"""The versions of users, which order what concerns a user as `seq` orders what happens in a room. Knows no permissions.

A change that concerns a user raises their version, and marks the membership that it is about with it. Nothing else is
stored: a user who missed changes receives the present state of each membership that was marked since.
"""

from collections.abc import Iterable
from uuid import UUID

from foundation.sql import Lookup, as_uuid

_RAISE = Lookup(
    """
    INSERT INTO rooms_userhead (user_id, version) SELECT key, number FROM input WHERE TRUE ORDER BY key
    ON CONFLICT (user_id) DO UPDATE SET version = rooms_userhead.version + 1
    RETURNING user_id, version
    """,
    key="uuid",
)
_VERSIONS = Lookup(
    "SELECT h.user_id, h.version FROM input JOIN rooms_userhead h ON h.user_id = input.key",
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


def versions_by_user(user_ids: Iterable[UUID]) -> dict[UUID, int]:
    """Returns the versions of these users, without those whom no change has concerned yet. One query."""
    return {as_uuid(user_id): version for user_id, version in _VERSIONS.run(dict.fromkeys(user_ids, 0))}
