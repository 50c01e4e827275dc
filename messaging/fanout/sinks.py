"""The sockets of one process, by user and by session. Pure."""

from collections import defaultdict
from uuid import UUID

from messaging.fanout.feed import Sink


class Sinks:
    """Used on one loop only."""

    def __init__(self) -> None:
        self._by_user: dict[UUID, set[Sink]] = {}
        self._by_session: defaultdict[str, list[Sink]] = defaultdict(list)
        # The lowest version that a session's sinks were admitted with: if it is still valid, so are the others.
        self.auth_versions: dict[str, int] = {}

    def add(self, sink: Sink) -> bool:
        """Returns whether `sink` is the first of its user."""
        is_first = sink.user_id not in self._by_user
        self._by_user.setdefault(sink.user_id, set()).add(sink)
        self._by_session[sink.session_key].append(sink)
        self._update_auth_version(sink.session_key)
        return is_first

    def discard(self, sink: Sink) -> bool:
        """Removes `sink` if it is there. Returns whether it was the last of its user."""
        sinks = self._by_user.get(sink.user_id, set())
        if sink not in sinks:
            return False
        sinks.discard(sink)
        if not sinks:
            del self._by_user[sink.user_id]
        self._by_session[sink.session_key].remove(sink)
        self._update_auth_version(sink.session_key)
        return not sinks

    def all(self) -> list[Sink]:
        return [sink for sinks in self._by_user.values() for sink in sinks]

    def of_user(self, user_id: UUID) -> list[Sink]:
        return list(self._by_user.get(user_id, ()))

    def of_session(self, session_key: str) -> list[Sink]:
        return list(self._by_session.get(session_key, ()))

    def _update_auth_version(self, session_key: str) -> None:
        if sinks := self._by_session[session_key]:
            self.auth_versions[session_key] = min(sink.auth_version for sink in sinks)
        else:
            del self._by_session[session_key], self.auth_versions[session_key]
