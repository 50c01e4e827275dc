"""The sweep: at least every interval each process asks the database what it may have missed.

Which of the followed rooms have moved, and which of the signed-in sessions are gone or changed. With it delivery and
revocation do not depend on the channel layer, and several processes on SQLite hear each other.
"""

import asyncio
from collections.abc import Callable, Mapping
from uuid import UUID

import structlog

from accounts.schema import SessionStanding
from foundation.errors import DomainError
from messaging.database_threads import DatabaseThreads
from messaging.fanout.feed import Sink
from messaging.fanout.hub import Hub
from messaging.selectors.log import list_changes
from messaging.wire.closes import SESSION_REVOKED, USER_INACTIVE
from messaging.wire.frames import encode_session_revoked
from messaging.wire.framing import Frames
from messaging.wire.limits import Limits
from rooms.notices import RoomHint

UNHEALTHY_FACTOR = 4  # how much faster while the layer is unhealthy
REPORT_S = 60.0

log = structlog.get_logger(__name__)


class Sweep:
    """Used on the hub's loop; owns its task."""

    def __init__(
        self,
        *,
        hub: Hub,
        readers: DatabaseThreads,
        loop: asyncio.AbstractEventLoop,
        limits: Limits,
        is_layer_healthy: Callable[[], bool],
    ) -> None:
        self._hub = hub
        self._readers = readers
        self._loop = loop
        self._interval_s = limits.sweep_interval_s
        self._is_layer_healthy = is_layer_healthy
        self._rooms: set[UUID] = set()  # to be looked at before the next turn
        self._users: set[UUID] = set()
        self._woken = asyncio.Event()
        self._turns = 0
        self._repaired = 0  # entries that nothing but the sweep told of, since the last report
        self._lag_s = 0.0  # the longest that one of them can have waited
        self._reported_at = loop.time()
        self.finished_at = loop.time()
        self._tasks = [loop.create_task(self._turn()), loop.create_task(self._at_once())]

    def look_at_room(self, room_id: UUID) -> None:
        """Sweep one room without waiting for the turn."""
        self._rooms.add(room_id)
        self._woken.set()

    def look_at_user(self, user_id: UUID) -> None:
        """Look at a user's sessions without waiting for the turn."""
        self._users.add(user_id)
        self._woken.set()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _turn(self) -> None:
        while True:
            factor = 1 if self._is_layer_healthy() else UNHEALTHY_FACTOR
            await asyncio.sleep(self._interval_s / factor)
            began = self._loop.time()
            try:
                repaired = await self._look(self._hub.known_heads(), self._hub.auth_versions.copy())
            except DomainError:
                pass  # the database is not to be had, which is logged where that is found
            except Exception:
                log.exception("sweep failed")
            else:
                if repaired:
                    self._repaired += repaired
                    self._lag_s = max(self._lag_s, self._loop.time() - self.finished_at)
                self.finished_at = self._loop.time()
                self._report(self.finished_at - began)

    async def _at_once(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            rooms, self._rooms = self._rooms, set()
            users, self._users = self._users, set()
            heads, versions = self._hub.known_heads(), self._hub.auth_versions
            sessions = {sink.session_key for user_id in users for sink in self._hub.sinks_of(user_id)}
            try:
                await self._look(
                    {room_id: heads[room_id] for room_id in rooms & heads.keys()},
                    {session_key: versions[session_key] for session_key in sessions},
                )
            except DomainError:
                pass  # as above; the next turn looks again
            except Exception:
                log.exception("sweep failed; the next turn looks again")

    async def _look(self, heads: Mapping[UUID, int], auth_versions: Mapping[str, int]) -> int:
        """Hint what the heads say, and close what has ended. Returns how many entries were unheard of."""
        moved, changed = await self._readers.run(list_changes, heads=heads, auth_versions=auth_versions)
        repaired = sum(self._hub.hint(RoomHint(room_id=room_id, seq=seq)) for room_id, seq in moved.items())
        for session_key, standing in changed.items():
            for sink in self._hub.sinks_of_session(session_key):
                # One that was admitted since, with what stands now, was not asked about.
                if standing is None or sink.auth_version == auth_versions[session_key]:
                    _judge(sink, standing)
        return repaired

    def _report(self, took_s: float) -> None:
        """Once a minute, where there was something to repair: how much, how late, and how long a turn takes."""
        self._turns += 1
        if self._repaired and self._loop.time() - self._reported_at >= REPORT_S:
            log.info(
                "sweep",
                turns=self._turns,
                repaired=self._repaired,
                lag_s=round(self._lag_s, 3),
                took_ms=round(took_s * 1000, 1),
                layer_ok=self._is_layer_healthy(),
            )
            self._turns, self._repaired, self._lag_s, self._reported_at = 0, 0, 0.0, self._loop.time()


def _judge(sink: Sink, standing: SessionStanding | None) -> None:
    """Close `sink` if what it was admitted with no longer stands."""
    if standing is not None and not standing.is_active:
        sink.close(USER_INACTIVE)
    elif standing is None or standing.auth_version != sink.auth_version:
        sink.write(Frames((encode_session_revoked(sink.session_id),)))
        sink.close(SESSION_REVOKED)
