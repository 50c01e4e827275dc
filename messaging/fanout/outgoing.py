"""Notices that wait to be published to the channel layer. Pure."""

from collections.abc import Sequence

from messaging.fanout.layer import group_of
from rooms.notices import Notice, RoomHint, RoomNotice, SessionsChanged, UserHint, UserNotice


class Outgoing:
    """Collects notices by group until they are taken.

    Past `max_bytes` of payload, each group that gets another notice keeps hints only: how far the room's log or the
    user's version reaches, and that a user's sessions changed.
    """

    def __init__(self, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._groups: dict[str, list[Notice]] = {}
        self._bytes = 0

    def add(self, notice: Notice) -> None:
        waiting = self._groups.setdefault(group_of(notice), [])
        self._bytes += _size_of(notice)
        if self._bytes > self._max_bytes:
            waiting[:] = _as_hints([*waiting, notice])
        else:
            waiting.append(notice)

    def take(self) -> dict[str, list[Notice]]:
        """Returns everything that waits, by group, and starts again with nothing."""
        taken, self._groups, self._bytes = self._groups, {}, 0
        return taken


def _size_of(notice: Notice) -> int:
    return len(notice.payload) if isinstance(notice, RoomNotice | UserNotice) else 0


def _as_hints(notices: Sequence[Notice]) -> list[Notice]:
    """Reduces the notices of one group, which are all about one room or one user, to one hint of each type."""
    entries = [notice for notice in notices if isinstance(notice, RoomNotice | RoomHint)]
    if entries:
        return [RoomHint(room_id=entries[0].room_id, seq=max(notice.seq for notice in entries))]
    sessions = [notice for notice in notices if isinstance(notice, SessionsChanged)]
    changes = [notice for notice in notices if isinstance(notice, UserNotice | UserHint)]
    hints: list[Notice] = [*sessions[:1]]
    if changes:
        hints.append(UserHint(user_id=changes[0].user_id, version=max(notice.version for notice in changes)))
    return hints
