"""The engine: the parts of one process that live on its event loop, wired together.

Hub, writer, relay and sweep are made here, and the threads that talk to the database are passed in.
"""

import asyncio
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

import msgspec

from messaging.append.submissions import Submission
from messaging.append.writer import Appended, Writer
from messaging.database_threads import DatabaseThreads
from messaging.fanout.feed import Sink
from messaging.fanout.hub import Hub
from messaging.fanout.layer import Layer, room_group, user_group
from messaging.fanout.pages import EntryPage
from messaging.fanout.relay import NoRelay, Relay
from messaging.fanout.sweep import Changes, Sweep
from messaging.selectors.log import list_changes, read_page
from messaging.shared_limits import Ledger, SharedLimits
from messaging.throttling import charge_reading, limiter_of_actions, limiter_of_reading
from messaging.wire import closes, frames
from messaging.wire.framing import Frames
from messaging.wire.limits import Limits
from rooms.broadcast import broadcast
from rooms.notices import Notice

DRAIN_SLICES = 10  # groups of sockets that are closed one after the other when the process drains
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
        self.readers = readers
        self._writer_thread = writer_thread
        self.hub = Hub(read_page=self._read_page, loop=self.loop, limits=limits, interest=self, charge=charge_reading)
        self.writer = Writer(
            append=lambda submissions: writer_thread.run(append, submissions),
            broadcast=broadcast,
            loop=self.loop,
            limits=limits,
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
        """Advises every client to reconnect, answers the sends in flight, and closes the sockets, in slices.

        Returns after `grace_s` at the latest; sockets that are open by then are closed without waiting for answers.
        """
        self.is_draining = True
        sinks = self.hub.sinks()
        random.shuffle(sinks)
        for sink in sinks:
            advice_ms = random.randrange(int(self.limits.reconnect_spread_s * 1000) + 1)  # noqa: S311
            sink.write(Frames((frames.encode_draining(advice_ms),)))
        try:
            async with asyncio.timeout(grace_s):
                await _close_in_slices(sinks, pause_s=min(0.05, grace_s / DRAIN_SLICES / 2))
                await self.writer.drain()
        except TimeoutError:
            for sink in sinks:
                sink.close(closes.DRAINING)

    async def close(self) -> None:
        """Appends what the writer has accepted, then stops every task and thread."""
        await self.writer.drain()
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


async def _close_in_slices(sinks: Sequence[Sink], *, pause_s: float) -> None:
    """Closes `sinks` in slices, so that their clients do not all reconnect in the same moment."""
    for index in range(min(DRAIN_SLICES, len(sinks))):
        await asyncio.gather(*(sink.leave(closes.DRAINING) for sink in sinks[index::DRAIN_SLICES]))
        await asyncio.sleep(pause_s)
