"""The engine: the parts of one process that live on its event loop, wired together.

Hub, writer, relay and sweep are made here, and the threads that talk to the database are passed in.
"""

import asyncio
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

import msgspec

from messaging.admission import Admission
from messaging.append.submissions import Submission
from messaging.append.writer import Appended, Writer
from messaging.batching import Batcher
from messaging.database_threads import DatabaseThreads
from messaging.fanout.feed import Sink
from messaging.fanout.hub import Hub
from messaging.fanout.layer import Layer, room_group, user_group
from messaging.fanout.pages import EntryPage
from messaging.fanout.relay import NoRelay, Relay
from messaging.fanout.resume import Plan
from messaging.fanout.sweep import Changes, Sweep
from messaging.selectors.handshakes import Admitted, authenticate
from messaging.selectors.log import list_changes, read_page
from messaging.services.follow import JoinRequest, SyncRequest, SyncResult, follow_rooms, resume_rooms
from messaging.shared_limits import Ledger, SharedLimits
from messaging.throttling import charge_reading, limiter_of_actions, limiter_of_reading
from messaging.wire import closes, frames
from messaging.wire.closes import Close
from messaging.wire.framing import Frames
from messaging.wire.limits import Limits
from messaging.wire.shapes import Followed
from rooms.broadcast import broadcast
from rooms.notices import Notice

SLICE_S = 0.1  # between two groups of sockets that are closed when the process drains
CLOSING_SHARE = 0.5  # of the grace; the rest is for answers to sends in flight
ADMITTED_SHARE = 0.8  # of the time for a handshake: one that would wait longer is turned away
JOIN_BATCH = 100  # joins that are answered with one statement
SYNC_BATCH_ROOMS = 500  # of the syncs that are answered with one statement
STALE_SWEEPS = 5  # intervals without a successful sweep, after which the process is not ready


class Readiness(msgspec.Struct, frozen=True):
    """Whether this process should get traffic. It does not depend on the channel layer, whose state is shown only."""

    ready: bool
    draining: bool
    sweep_age_s: float
    layer: str
    sockets: int
    pages_read: int


class Engine:
    """Made at start-up on the loop that it serves, and closed at shutdown. Only `publish` may be called by any thread.

    Without a `layer`, processes find in their sweeps what the others committed, and without a `ledger`, each of them
    counts the rate of a user's actions for itself. `append` runs on `writer_thread`, all reads on `readers`; the engine
    shuts both down when it is closed. `broadcast` is called with the notices of each batch after its commit.
    """

    def __init__(
        self,
        *,
        limits: Limits,
        layer: Layer | None,
        readers: DatabaseThreads,
        writer_thread: DatabaseThreads,
        append: Callable[[Sequence[Submission]], Appended],
        broadcast: Callable[[Sequence[Notice]], None] = broadcast,
        ledger: Ledger | None = None,
    ) -> None:
        self.limits = limits
        self.loop = asyncio.get_running_loop()
        self._thread_id = threading.get_ident()
        self.is_draining = False
        self._spread_s = limits.reconnect_spread_s
        self.readers = readers
        self._writer_thread = writer_thread
        self.hub = Hub(read_page=self._read_page, loop=self.loop, limits=limits, interest=self, charge=charge_reading)
        self.writer = Writer(
            append=lambda submissions: writer_thread.run(append, submissions),
            broadcast=broadcast,
            loop=self.loop,
            limits=limits,
        )
        self.handshakes: Batcher[str, Admitted] = Batcher(
            lambda tokens: readers.run(authenticate, tokens), loop=self.loop, max_size=limits.handshake_batch
        )
        self.admission = Admission(
            self.handshakes,
            loop=self.loop,
            most_waiting=limits.handshake_backlog,
            most_wait_s=limits.handshake_timeout_s * ADMITTED_SHARE,
            per_s=limits.handshakes_per_s,
        )
        self.resumes: Batcher[JoinRequest, tuple[Followed, Plan] | None] = Batcher(
            lambda requests: readers.run(resume_rooms, requests), loop=self.loop, max_size=JOIN_BATCH
        )
        self.syncs: Batcher[SyncRequest, SyncResult] = Batcher(
            lambda requests: readers.run(follow_rooms, requests),
            loop=self.loop,
            max_size=SYNC_BATCH_ROOMS,
            size_of=lambda request: len(request.sync.rooms),
        )
        self.relay = self._make_relay(layer)
        self.sweep = Sweep(
            hub=self.hub,
            read_changes=self._read_changes,
            loop=self.loop,
            limits=limits,
            is_layer_healthy=lambda: self.relay.is_healthy,
        )
        self._shared_limits = ledger and SharedLimits(
            ledger, limiters={"actions": limiter_of_actions(), "reading": limiter_of_reading()}, loop=self.loop
        )

    def publish(self, notices: Sequence[Notice]) -> None:
        """Publishes committed changes to the sockets here and, through the relay, to the other processes.

        A listener for `rooms.broadcast`. From another thread it returns at once, and publishes on the loop.
        """
        if threading.get_ident() == self._thread_id:
            self._publish(notices)
        else:
            self.loop.call_soon_threadsafe(self._publish, notices)

    def readiness(self) -> Readiness:
        age_s = self.loop.time() - self.sweep.finished_at
        is_fresh = age_s < STALE_SWEEPS * self.limits.sweep_interval_s
        return Readiness(
            ready=is_fresh and not self.is_draining,
            draining=self.is_draining,
            sweep_age_s=round(age_s, 3),
            layer=self.relay.state,
            sockets=len(self.hub.sinks()),
            pages_read=self.hub.pages_read,
        )

    async def drain(self, *, grace_s: float) -> None:
        """Advises every client when to reconnect, answers the sends in flight, and closes the sockets, in slices.

        The clients are spread over a time in proportion to their number. Each socket is served until its time comes, or
        a shorter time if the grace is not enough. Returns after `grace_s` at the latest; sockets that are open by then
        are closed without waiting for answers.
        """
        self.is_draining = True
        sinks = self.hub.sinks()
        random.shuffle(sinks)
        self._spread_s = max(self.limits.reconnect_spread_s, len(sinks) / self.limits.handshakes_per_s)
        for place, sink in enumerate(sinks):
            share = (place + random.random()) / len(sinks)  # noqa: S311
            sink.write(Frames((frames.encode_draining(int(share * self._spread_s * 1000)),)))
        try:
            async with asyncio.timeout(grace_s):
                await _close_in_slices(sinks, within_s=min(self._spread_s, grace_s * CLOSING_SHARE))
                await self.writer.drain()
        except TimeoutError:
            for sink in sinks:
                sink.close(closes.DRAINING)

    def draining_close(self) -> Close:
        """Returns the close of a handshake that comes while the process drains, with a time to come back."""
        return closes.later(closes.DRAINING, random.uniform(0, self._spread_s))  # noqa: S311

    async def close(self) -> None:
        """Appends what the writer has accepted, then stops every task and thread."""
        await self.writer.drain()
        for batcher in (self.handshakes, self.resumes, self.syncs):
            await batcher.close()
        await self.sweep.close()
        await self.relay.close()
        if self._shared_limits is not None:
            await self._shared_limits.close()
        await self.hub.close()
        self._writer_thread.shutdown()
        self.readers.shutdown()

    # -- the hub's `Interest` -----------------------------------------------------------------------------------------

    def room_followed(self, room_id: UUID) -> None:
        self.relay.subscribe(room_group(room_id))

    def room_unfollowed(self, room_id: UUID) -> None:
        self.relay.unsubscribe(room_group(room_id))

    def user_connected(self, user_id: UUID) -> None:
        self.relay.subscribe(user_group(user_id))

    def user_disconnected(self, user_id: UUID) -> None:
        self.relay.unsubscribe(user_group(user_id))
        self.sweep.forget_user(user_id)

    def sessions_changed(self, user_id: UUID) -> None:
        self.sweep.suspect_user(user_id)

    def changes_missed(self, user_id: UUID) -> None:
        self.sweep.request_user(user_id)

    # -- what the parts are passed ------------------------------------------------------------------------------------

    def _make_relay(self, layer: Layer | None) -> Relay | NoRelay:
        if layer is None:
            return NoRelay()
        return Relay(
            layer, loop=self.loop, limits=self.limits, deliver=self.hub.publish, on_subscribed=self._on_subscribed
        )

    def _on_subscribed(self, group: str) -> None:
        """Looks for what happened before the process was in the group: it did not receive that."""
        kind, _, key = group.partition(".")
        if kind == "room":
            self.sweep.request_room(UUID(key))
        else:
            self.sweep.request_user(UUID(key))

    def _publish(self, notices: Sequence[Notice]) -> None:
        self.hub.publish(notices)
        self.relay.publish(notices)

    async def _read_page(self, room_id: UUID, after: int, limit: int) -> EntryPage:
        return await self.readers.run(read_page, room_id=room_id, after=after, limit=limit)

    async def _read_changes(
        self, *, heads: Mapping[UUID, int], auth_versions: Mapping[str, int], user_versions: Mapping[UUID, int]
    ) -> Changes:
        return await self.readers.run(
            list_changes, heads=heads, auth_versions=auth_versions, user_versions=user_versions
        )


async def _close_in_slices(sinks: Sequence[Sink], *, within_s: float) -> None:
    """Closes `sinks` in their order, in slices over `within_s`. Returns when all are closed.

    Even clients that ignore the advised time do not all reconnect in the same moment. A
    slice does not wait for an earlier one whose sends are not answered yet.
    """
    slices = max(1, min(len(sinks), round(within_s / SLICE_S)))
    leaving: list[asyncio.Task[None]] = []
    try:
        for index in range(slices):
            if index:
                await asyncio.sleep(within_s / slices)
            some = sinks[len(sinks) * index // slices : len(sinks) * (index + 1) // slices]
            leaving += [asyncio.create_task(sink.leave(closes.DRAINING)) for sink in some]
        await asyncio.gather(*leaving)
    finally:
        for task in leaving:
            task.cancel()
