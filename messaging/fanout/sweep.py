"""The sweep: at least once an interval each process asks the database what it may have missed. Pure.

It asks which of the followed rooms have new entries, which of the signed-in sessions have ended or changed, and what
has changed for the connected users. So delivery and revocation do not depend on the channel layer, and several
processes on one SQLite file hear each other.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from typing import NamedTuple, Protocol
from uuid import UUID

import structlog

from accounts.schema import SessionStanding
from foundation.errors import DomainError, Internal
from messaging.fanout.feed import Sink
from messaging.fanout.hub import Hub
from messaging.fanout.user_delivery import UserChanges
from messaging.wire.closes import SESSION_REVOKED, USER_INACTIVE
from messaging.wire.frames import encode_session_revoked
from messaging.wire.framing import Frames
from messaging.wire.limits import Limits
from rooms.notices import RoomHint

UNHEALTHY_FACTOR = 4  # by which the interval is divided while the layer is unhealthy
REPORT_S = 60.0

log = structlog.get_logger(__name__)


class Changes(NamedTuple):
    """What has changed since this process last heard of it.

    `heads` has the head of each room that has newer entries; `sessions` the standing of each session that has changed,
    or None if it has ended; `users` what concerns each user whose version has risen.
    """

    heads: Mapping[UUID, int]
    sessions: Mapping[str, SessionStanding | None]
    users: Sequence[UserChanges]


class ReadChanges(Protocol):
    """Reads from the database what has changed since this process last heard of it.

    Takes the newest known seq of each followed room, the `auth_version` of each signed-in session, and the version of
    each connected user after which changes are lacking.
    """

    def __call__(
        self, *, heads: Mapping[UUID, int], auth_versions: Mapping[str, int], user_versions: Mapping[UUID, int]
    ) -> Awaitable[Changes]: ...


class Sweep:
    """Used on the hub's loop only. Owns its tasks, which run until `close`."""

    def __init__(
        self,
        *,
        hub: Hub,
        read_changes: ReadChanges,
        loop: asyncio.AbstractEventLoop,
        limits: Limits,
        is_layer_healthy: Callable[[], bool],
    ) -> None:
        self._hub = hub
        self._read_changes = read_changes
        self._loop = loop
        self._interval_s = limits.sweep_interval_s
        self._is_layer_healthy = is_layer_healthy
        self._requested_rooms: set[UUID] = set()
        self._requested_users: set[UUID] = set()
        # Users whose sessions may have ended, until they have been checked; with what waits for that, if anything does.
        self._unchecked: dict[UUID, asyncio.Future[None] | None] = {}
        self._is_requested = asyncio.Event()
        # Since the last report:
        self._sweeps = 0
        self._repaired = 0  # entries, and changes that concern a user, that only the sweep found
        self._lag_s = 0.0  # the longest that one of them can have waited
        self._reported_at = loop.time()
        self.finished_at = loop.time()  # the last sweep, on the loop's clock
        self._tasks = [loop.create_task(self._sweep_all()), loop.create_task(self._sweep_requested())]

    def request_room(self, room_id: UUID) -> None:
        """Sweeps one room without waiting for the interval to end."""
        self._requested_rooms.add(room_id)
        self._is_requested.set()

    def request_user(self, user_id: UUID) -> None:
        """Checks the sessions of one user, and what concerns the user, without waiting for the interval to end."""
        self._requested_users.add(user_id)
        self._is_requested.set()

    def suspect_user(self, user_id: UUID) -> None:
        """Does what `request_user` does, and makes `checked` wait for it: sessions of the user may have ended."""
        self._unchecked.setdefault(user_id, None)
        self.request_user(user_id)

    def forget_user(self, user_id: UUID) -> None:
        """Must be called when the user has no socket here any more."""
        waiting = self._unchecked.pop(user_id, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    async def checked(self, user_id: UUID) -> None:
        """Waits until the sockets of sessions that have ended are closed, if the user has any.

        Does not wait unless `suspect_user` was called and the check has not been made since. Raises `Overloaded` or
        `Unavailable` if the database fails.
        """
        if user_id not in self._unchecked:
            return
        waiting = self._unchecked[user_id]
        if waiting is None:
            waiting = self._unchecked[user_id] = self._loop.create_future()
            self.request_user(user_id)  # again, in case the check failed before
        await asyncio.shield(waiting)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _sweep_all(self) -> None:
        while True:
            factor = 1 if self._is_layer_healthy() else UNHEALTHY_FACTOR
            await asyncio.sleep(self._interval_s / factor)
            began = self._loop.time()
            try:
                repaired = await self._sweep(
                    self._hub.known_heads(), dict(self._hub.auth_versions), self._hub.user_versions()
                )
            except DomainError:
                pass  # the database is unavailable, which has been logged already
            except Exception:
                log.exception("sweep failed")
            else:
                if repaired:
                    self._repaired += repaired
                    self._lag_s = max(self._lag_s, self._loop.time() - self.finished_at)
                self.finished_at = self._loop.time()
                self._report(self.finished_at - began)

    async def _sweep_requested(self) -> None:
        while True:
            await self._is_requested.wait()
            self._is_requested.clear()
            rooms, self._requested_rooms = self._requested_rooms, set()
            users, self._requested_users = self._requested_users, set()
            heads, auth_versions = self._hub.known_heads(), self._hub.auth_versions
            user_versions = self._hub.user_versions()
            sessions = {sink.session_key for user_id in users for sink in self._hub.sinks_of(user_id)}
            try:
                await self._sweep(
                    {room_id: heads[room_id] for room_id in rooms & heads.keys()},
                    {session_key: auth_versions[session_key] for session_key in sessions},
                    {user_id: user_versions[user_id] for user_id in users & user_versions.keys()},
                )
            except DomainError as error:  # as above; the next sweep covers these, too
                self._end_checks(users, error)
            except Exception:
                log.exception("sweep failed; the next one covers it")
                self._end_checks(users, Internal())
            else:
                self._end_checks(users, None)

    def _end_checks(self, users: Set[UUID], error: DomainError | None) -> None:
        """Wakes those who wait for the check of `users`. After an error, the users are still unchecked."""
        # Those that were requested meanwhile are checked once more.
        for user_id in (users - self._requested_users) & self._unchecked.keys():
            waiting = self._unchecked.pop(user_id)
            if error is not None:
                self._unchecked[user_id] = None
            if waiting is None or waiting.done():
                continue
            if error is None:
                waiting.set_result(None)
            else:
                waiting.set_exception(error)
                waiting.exception()  # those who waited may have gone

    async def _sweep(
        self, heads: Mapping[UUID, int], auth_versions: Mapping[str, int], user_versions: Mapping[UUID, int]
    ) -> int:
        """Passes new heads and what concerns users to the hub, and closes the sockets of sessions that have ended.

        Returns how many entries and changes the hub had not heard of.
        """
        changes = await self._read_changes(heads=heads, auth_versions=auth_versions, user_versions=user_versions)
        repaired = sum(self._hub.hint(RoomHint(room_id=room_id, seq=seq)) for room_id, seq in changes.heads.items())
        for user in changes.users:
            repaired += self._hub.catch_up(user)
            if user.has_more:
                self.request_user(user.user_id)
        for session_key, standing in changes.sessions.items():
            for sink in self._hub.sinks_of_session(session_key):
                # A socket that was admitted after the database was asked has another version than was asked about.
                if standing is None or sink.auth_version == auth_versions[session_key]:
                    _close_if_ended(sink, standing)
        return repaired

    def _report(self, took_s: float) -> None:
        """Logs once a minute, if there was something to repair: how much, how late, and how long a sweep takes."""
        self._sweeps += 1
        if self._repaired and self._loop.time() - self._reported_at >= REPORT_S:
            log.info(
                "sweep",
                sweeps=self._sweeps,
                repaired=self._repaired,
                lag_s=round(self._lag_s, 3),
                took_ms=round(took_s * 1000, 1),
                layer_ok=self._is_layer_healthy(),
            )
            self._sweeps, self._repaired, self._lag_s, self._reported_at = 0, 0, 0.0, self._loop.time()


def _close_if_ended(sink: Sink, standing: SessionStanding | None) -> None:
    """Closes `sink` if its user is inactive, or its session has ended or changed since it was admitted."""
    if standing is not None and not standing.is_active:
        sink.close(USER_INACTIVE)
    elif standing is None or standing.auth_version != sink.auth_version:
        sink.write(Frames((encode_session_revoked(sink.session_id),)))
        sink.close(SESSION_REVOKED)
