"""The parts of one process that live on its event loop: hub, writer, relay, sweep, threads for the database."""

import asyncio
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

import msgspec

from accounts.schema import Standing
from messaging.append.submissions import Draft
from messaging.append.writer import Appended, Writer
from messaging.database_threads import DatabaseThreads
from messaging.fanout.hub import Hub
from messaging.fanout.layer import Layer, room_group, user_group
from messaging.fanout.pages import EntryPage
from messaging.fanout.relay import NoRelay, Relay
from messaging.fanout.sweep import Sweep
from messaging.selectors.log import list_changes, read_page
from messaging.wire import closes, frames
from messaging.wire.framing import Frames
from messaging.wire.limits import Limits
from rooms.broadcast import broadcast
from rooms.events import Notice

SLICES = 10  # in which the sockets are closed when the process drains
STALE_SWEEPS = 5  # intervals without a sweep, after which a process is not ready


class Readiness(msgspec.Struct, frozen=True):
    """Whether this process should get traffic. The layer is told of, but it is not needed."""

    ready: bool
    draining: bool
    sweep_age_s: float
    layer: str
    sockets: int
    pages_read: int


class Engine:
    """Made on the loop that it serves, at start-up; closed at shutdown. `publish` may be called from any thread.

    Without a `layer` the processes hear each other through the sweep.
    """

    def __init__(
        self,
        *,
        limits: Limits,
        layer: Layer | None,
        readers: DatabaseThreads,
        writer_thread: DatabaseThreads,
        append: Callable[[Sequence[Draft]], Appended],
        tell: Callable[[Sequence[Notice]], None] = broadcast,
    ) -> None:
        self.limits = limits
        self.loop = asyncio.get_running_loop()
        self._thread_id = threading.get_ident()
        self.is_draining = False
        self.readers = readers
        self._writer_thread = writer_thread
        self.hub = Hub(read_page=self._read_page, loop=self.loop, limits=limits, interest=self)
        self.writer = Writer(
            append=lambda drafts: writer_thread.run(append, drafts), tell=tell, loop=self.loop, limits=limits
        )
        self.relay: Relay | NoRelay = NoRelay()
        if layer is not None:
            self.relay = Relay(
                layer, loop=self.loop, limits=limits, deliver=self.hub.publish, caught_up=self._group_stands
            )
        self.sweep = Sweep(
            hub=self.hub,
            read_changes=self._read_changes,
            loop=self.loop,
            limits=limits,
            is_layer_healthy=lambda: self.relay.is_healthy,
        )

    def publish(self, notices: Sequence[Notice]) -> None:
        """A listener for `rooms.broadcast`: to the sockets here directly, to the other processes by the relay."""
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
        """Send everybody elsewhere, in slices: what was read is answered, then the socket is closed. Bounded."""
        self.is_draining = True
        sockets = self.hub.sinks()
        random.shuffle(sockets)
        for socket in sockets:
            advice_ms = random.randrange(int(self.limits.reconnect_spread_s * 1000) + 1)  # noqa: S311
            socket.write(Frames((frames.encode_draining(advice_ms),)))
        try:
            async with asyncio.timeout(grace_s):
                for place in range(min(SLICES, len(sockets))):
                    await asyncio.gather(*(socket.leave(closes.DRAINING) for socket in sockets[place::SLICES]))
                    await asyncio.sleep(min(0.05, grace_s / SLICES / 2))
                await self.writer.drain()
        except TimeoutError:
            for socket in sockets:
                socket.close(closes.DRAINING)

    async def close(self) -> None:
        """Answer what is on the pile, then stop."""
        await self.writer.drain()
        await self.sweep.close()
        await self.relay.close()
        await self.hub.close()
        self._writer_thread.shutdown()
        self.readers.shutdown()

    # -- what the hub is interested in --------------------------------------------------------------------------------

    def room_followed(self, room_id: UUID) -> None:
        self.relay.follow(room_group(room_id))

    def room_unfollowed(self, room_id: UUID) -> None:
        self.relay.unfollow(room_group(room_id))

    def user_connected(self, user_id: UUID) -> None:
        self.relay.follow(user_group(user_id))

    def user_disconnected(self, user_id: UUID) -> None:
        self.relay.unfollow(user_group(user_id))

    def sessions_changed(self, user_id: UUID) -> None:
        self.sweep.look_at_user(user_id)

    def _group_stands(self, group: str) -> None:
        """What happened before the layer's subscription stood was not heard."""
        kind, _, key = group.partition(".")
        if kind == "room":
            self.sweep.look_at_room(UUID(key))
        else:
            self.sweep.look_at_user(UUID(key))

    def _publish(self, notices: Sequence[Notice]) -> None:
        self.hub.publish(notices)
        self.relay.publish(notices)

    async def _read_page(self, room_id: UUID, after: int, limit: int) -> EntryPage:
        return await self.readers.run(read_page, room_id=room_id, after=after, limit=limit)

    async def _read_changes(
        self, *, heads: Mapping[UUID, int], auth_versions: Mapping[str, int]
    ) -> tuple[dict[UUID, int], dict[str, Standing | None]]:
        return await self.readers.run(list_changes, heads=heads, auth_versions=auth_versions)
