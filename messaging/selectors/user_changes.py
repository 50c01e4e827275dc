"""Reads the changes that concern users and that they have not received yet. No transactions.

An event shows its subject as it is now, and only if the user may see it now.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final
from uuid import UUID

from messaging.fanout.user_delivery import UserChanges
from rooms.events import Event, ReadMoved, RoomAdded
from rooms.notices import UserNotice, user_notice
from rooms.selectors import ChangedMembership, list_changed_memberships, list_moved_users

MAX_MEMBERSHIPS = 1_000  # read at once, for all users together

# The version of the last change of each kind, and its event.
_KINDS: Final[tuple[tuple[Callable[[ChangedMembership], int], Callable[[ChangedMembership], Event]], ...]] = (
    (lambda changed: changed.added_version, lambda changed: RoomAdded(room=changed.room.id, data=changed.room)),
    (lambda changed: changed.read_version, lambda changed: ReadMoved(room=changed.room.id, data=changed.read)),
)


def list_user_changes(*, known: Mapping[UUID, int], limit: int = MAX_MEMBERSHIPS) -> list[UserChanges]:
    """Returns what has changed for each user whose version is above the one given in `known`.

    Reads at most `limit` memberships; what is left over has `has_more`. One query for any number of users, and one more
    if a version has risen.
    """
    versions = list_moved_users(known=known)
    found = list_changed_memberships(known={user_id: known[user_id] for user_id in versions}, limit=limit + 1)
    return render_changes(found, known=known, versions=versions, limit=limit)


def render_changes(
    found: Sequence[ChangedMembership], *, known: Mapping[UUID, int], versions: Mapping[UUID, int], limit: int
) -> list[UserChanges]:
    """Returns the changes of each user in `versions`, from their first `limit` changed memberships and the next one."""
    notices: dict[UUID, list[UserNotice]] = {user_id: [] for user_id in versions}
    for changed in found[:limit]:
        notices[changed.user_id] += _notices(changed, after=known[changed.user_id])
    left_over = found[limit] if len(found) > limit else None
    return [
        _changes(user_id, sorted(notices[user_id], key=_version_of), known[user_id], version, left_over)
        for user_id, version in versions.items()
    ]


def _notices(changed: ChangedMembership, *, after: int) -> list[UserNotice]:
    return [
        user_notice(changed.user_id, version, event_of(changed))
        for version_of, event_of in _KINDS
        if (version := version_of(changed)) > after
    ]


def _changes(
    user_id: UUID, notices: list[UserNotice], after: int, version: int, left_over: ChangedMembership | None
) -> UserChanges:
    """Returns the changes of one user, as far as they are complete. `left_over` is the first that was not read."""
    if left_over is None or user_id < left_over.user_id:
        # Versions are committed in their order: who sees one sees all before it.
        through = max([version, *map(_version_of, notices)])
        return UserChanges(user_id=user_id, after=after, through=through, notices=notices)
    through = left_over.first_version - 1 if user_id == left_over.user_id else after
    complete = [notice for notice in notices if notice.version <= through]
    return UserChanges(user_id=user_id, after=after, through=through, notices=complete, has_more=True)


def _version_of(notice: UserNotice) -> int:
    return notice.version
