"""Writes what concerns a user to the sockets of the user in this process: each change, in order of version. Pure.

Nothing is queued for a congested socket: it has a version of its own, and what it has not received is read again.
"""

from collections.abc import Callable, Sequence
from uuid import UUID

import msgspec

from messaging.fanout.feed import Sink
from messaging.fanout.sinks import Sinks
from messaging.wire.framing import Frames
from rooms.notices import UserNotice


class UserChanges(msgspec.Struct, frozen=True):
    """What was read of the changes of a user with a version above `after`: all of them up to `through`.

    `notices` are in order of version. Of several changes of one thing only the last is there, in its present state.
    With `has_more`, there are changes above `through` that were not read.
    """

    user_id: UUID
    after: int
    through: int
    notices: Sequence[UserNotice]
    has_more: bool = False


class UserDelivery:
    """Used on one loop only. Calls `missed` with a user whose changes have to be read: see `catch_up`."""

    def __init__(self, sinks: Sinks, *, missed: Callable[[UUID], None]) -> None:
        self._sinks = sinks
        self._missed = missed
        # By connected user: the version up to which every socket that is not behind has received everything.
        self._versions: dict[UUID, int] = {}
        # The same, for each socket that has received less than the others of its user.
        self._behind: dict[Sink, int] = {}

    def add(self, sink: Sink, *, version: int) -> None:
        """Begins to deliver to `sink`, which is among the sinks, what comes after `version` and is not known yet."""
        known = self._versions.setdefault(sink.user_id, version)
        if version > known:
            self._missed(sink.user_id)  # the others lack something

    def discard(self, sink: Sink, *, is_last: bool) -> None:
        """Ends the delivery to `sink`. `is_last` says whether the user has no other socket here."""
        self._behind.pop(sink, None)
        if is_last:
            del self._versions[sink.user_id]

    def versions(self) -> dict[UUID, int]:
        """Returns, for each connected user, the version after which their sockets may lack changes.

        It is the lowest of their versions. A congested socket does not count, because it could not take anything.
        """
        versions = self._versions.copy()
        for sink, version in self._behind.items():
            if not sink.congested:
                versions[sink.user_id] = min(versions[sink.user_id], version)
        return versions

    def publish(self, notice: UserNotice) -> None:
        """Writes the next change. Ignores one that is known, and has the changes read if some before it are missing."""
        known = self._versions.get(notice.user_id)
        if known is None or notice.version <= known:
            return
        if notice.version == known + 1:
            self._write(notice)
        else:
            self._missed(notice.user_id)

    def hint(self, user_id: UUID, version: int) -> None:
        """Has the changes of a user read if some up to `version` are not known."""
        known = self._versions.get(user_id)
        if known is not None and version > known:
            self._missed(user_id)

    def drained(self, sink: Sink) -> None:
        """`sink` is no longer congested: has the changes read that it has missed."""
        if sink in self._behind:
            self._missed(sink.user_id)

    def catch_up(self, changes: UserChanges) -> int:
        """Writes to each socket of the user what it lacks of `changes`.

        They may be older than what has been written since they were read. Returns how many were not known here.
        """
        known = self._versions.get(changes.user_id)
        if known is None:
            return 0
        unknown = 0
        if changes.after <= known:  # otherwise there may be changes in between, which were not read
            for notice in changes.notices:
                if notice.version > self._versions[changes.user_id]:
                    self._write(notice)
                    unknown += 1
            self._versions[changes.user_id] = max(known, changes.through)
        for sink in self._sinks.of_user(changes.user_id):
            if sink in self._behind and not sink.congested:
                self._catch_up(sink, changes)
        return unknown

    def _write(self, notice: UserNotice) -> None:
        """Writes `notice`, which is the first that is not known, to every socket of the user that is not behind."""
        frames = Frames((notice.payload,))
        for sink in self._sinks.of_user(notice.user_id):
            if sink not in self._behind and not sink.offer(frames):
                self._behind[sink] = self._versions[notice.user_id]
        self._versions[notice.user_id] = notice.version

    def _catch_up(self, sink: Sink, changes: UserChanges) -> None:
        version = self._behind[sink]
        if changes.after <= version:
            for notice in changes.notices:
                if notice.version > version:
                    if not sink.offer(Frames((notice.payload,))):
                        self._behind[sink] = version
                        return
                    version = notice.version
            version = max(version, changes.through)
        if version < self._versions[sink.user_id]:
            self._behind[sink] = version
            if not changes.has_more:  # then more is read in any case
                self._missed(sink.user_id)
        else:
            del self._behind[sink]
