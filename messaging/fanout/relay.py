"""The relay: what this process committed, told to the others; what they committed, told to the hub here.

The only caller of the channel layer. One channel for the process; a group for each room that has a follower here and
for each user that has a socket here. What the layer carries are hints: nothing waits for it, and whatever it loses,
doubles or delays the sweep finds.
"""

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import structlog

from messaging.fanout.layer import Layer, decode_notices, encode_message, group_of
from messaging.fanout.outgoing import Outgoing
from messaging.wire.limits import Limits
from rooms.events import Notice

RETRY_S = 1.0
CANCELLATIONS = 20  # a tenth of a second apart
PING_S = 1.0
# Without an echo of one's own pings, after which the layer counts as unhealthy.
DEAF_AFTER_S = 3.0
# Group membership expires after a day in some layers.
RENEW_S = 6 * 3600.0

WARN_EVERY_S = 60.0

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Relay:
    """Used on one loop. `deliver` takes what others committed; `caught_up` hears of a group that now stands."""

    def __init__(
        self,
        layer: Layer,
        *,
        loop: asyncio.AbstractEventLoop,
        limits: Limits,
        deliver: Callable[[Sequence[Notice]], None],
        caught_up: Callable[[str], None],
    ) -> None:
        self._layer = layer
        self._loop = loop
        self._limits = limits
        self._deliver = deliver
        self._caught_up = caught_up
        self._origin = secrets.token_hex(8)
        self._channel: str | None = None
        self._wanted: set[str] = set()
        self._due: OrderedDict[str, None] = OrderedDict()  # groups to be added or discarded, the first due first
        self._due_changed = asyncio.Event()
        self._outgoing = Outgoing(max_bytes=limits.relay_max_bytes)
        self._woken = asyncio.Event()
        self._broken_until = 0.0
        self._echoed_at = loop.time()
        self._next_warning_at = 0.0  # about a malformed message
        self._was_healthy = True
        works = (self._receive, self._subscribe, self._publish, self._ping)
        self._tasks = [loop.create_task(work()) for work in works]

    @property
    def is_healthy(self) -> bool:
        """Whether the layer did what it was asked lately, and this process hears itself through it."""
        now = self._loop.time()
        return now >= self._broken_until and now - self._echoed_at < DEAF_AFTER_S

    @property
    def state(self) -> str:
        """For reports on the process: "ok" or "failing"."""
        return "ok" if self.is_healthy else "failing"

    def follow(self, group: str) -> None:
        """Ask for what others say to `group`; not awaited."""
        self._wanted.add(group)
        self._make_due(group)

    def unfollow(self, group: str) -> None:
        self._wanted.discard(group)
        self._make_due(group)

    def publish(self, notices: Sequence[Notice]) -> None:
        """Tell the other processes, some time. Beyond the bound of what waits only hints are kept."""
        for notice in notices:
            self._outgoing.add(notice)
        self._woken.set()

    async def close(self) -> None:
        """End the tasks. Clients of Redis have been seen to swallow a cancellation: who goes on is cancelled again."""
        pending = set(self._tasks)
        for _ in range(CANCELLATIONS):
            for task in pending:
                task.cancel()
            _, pending = await asyncio.wait(pending, timeout=0.1)
            if not pending:
                return

    def _make_due(self, group: str) -> None:
        self._due[group] = None
        self._due_changed.set()

    # -- tasks ------------------------------------------------------------------------------------------------------

    async def _receive(self) -> None:
        while True:
            try:
                if self._channel is None:
                    self._channel = await self._layer.new_channel()
                    self._due = OrderedDict.fromkeys(self._wanted)
                    self._due_changed.set()
                message = await self._layer.receive(self._channel)
            except Exception as error:  # noqa: BLE001 - a layer raises what its client raises
                self._break(error)
                self._channel = None
                await asyncio.sleep(RETRY_S)
            else:
                self._accept(message)

    def _accept(self, message: dict[str, Any]) -> None:
        """Deliver what another process published, or note that one of our own messages came back."""
        try:
            is_own = message["origin"] == self._origin
            notices = [] if is_own else decode_notices(message["notices"])
        except (KeyError, TypeError, ValueError) as error:
            self._log_malformed(error)
            return
        if is_own:
            self._echoed_at = self._loop.time()
        else:
            self._call(self._deliver, notices)

    def _log_malformed(self, error: Exception) -> None:
        """Warn at most once a minute: while two versions run side by side, every message may be malformed."""
        if self._loop.time() >= self._next_warning_at:
            self._next_warning_at = self._loop.time() + WARN_EVERY_S
            log.warning("malformed message from the channel layer; the sweep delivers", error=repr(error))

    def _call(self, callback: Callable[[T], None], argument: T) -> None:
        """Call into this process. An error there is ours, and no failure of the layer."""
        try:
            callback(argument)
        except Exception:
            log.exception("relay callback failed", callback=repr(callback))

    async def _subscribe(self) -> None:
        """Keep the channel in the wanted groups. All are added again every `RENEW_S`: some layers forget them."""
        renew_at = self._loop.time() + RENEW_S
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(renew_at):
                    await self._due_changed.wait()
            self._due_changed.clear()
            if self._loop.time() >= renew_at:
                renew_at = self._loop.time() + RENEW_S
                self._due.update(dict.fromkeys(self._wanted))
            try:
                while self._due and self._channel is not None:
                    await self._align(self._due.popitem(last=False)[0], self._channel)
            except Exception as error:  # noqa: BLE001
                self._break(error)
                await asyncio.sleep(RETRY_S)
                self._due_changed.set()

    async def _align(self, group: str, channel: str) -> None:
        """Add `channel` to `group` if it is wanted, else discard it. If the call fails, the group is queued again."""
        try:
            async with asyncio.timeout(self._limits.relay_timeout_s):
                if group not in self._wanted:
                    await self._layer.group_discard(group, channel)
                    return
                await self._layer.group_add(group, channel)
        except Exception:
            self._due[group] = None
            raise
        if self._channel == channel:  # a lost channel takes its groups with it
            self._call(self._caught_up, group)

    async def _ping(self) -> None:
        """Say something to oneself through the layer: some layers lose their connection without a word."""
        while True:
            await asyncio.sleep(PING_S)
            if self._channel is not None:
                try:
                    async with asyncio.timeout(self._limits.relay_timeout_s):
                        await self._layer.send(self._channel, encode_message(self._origin, ()))
                except Exception as error:  # noqa: BLE001
                    self._break(error)
            if self.is_healthy is not self._was_healthy:
                self._was_healthy = self.is_healthy
                log.warning("channel layer", healthy=self._was_healthy)

    async def _publish(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            for group, notices in self._outgoing.take().items():
                if self._loop.time() < self._broken_until:
                    break  # the sweep will tell them
                try:
                    async with asyncio.timeout(self._limits.relay_timeout_s):
                        await self._layer.group_send(group, encode_message(self._origin, notices))
                except Exception as error:  # noqa: BLE001
                    self._break(error)
            await asyncio.sleep(self._limits.relay_pause_s)

    def _break(self, error: Exception) -> None:
        """Leave the layer alone for a while."""
        if self._was_healthy:
            self._was_healthy = False
            log.warning("channel layer failed; the sweep delivers", error=repr(error))
        self._broken_until = self._loop.time() + self._limits.relay_break_s


class NoRelay:
    """Stands in for the relay of a process that has no channel layer: other processes read the log in their sweeps."""

    is_healthy = True  # the sweep need not run more often than it is set to
    state = "none"

    def follow(self, group: str) -> None:
        pass

    def unfollow(self, group: str) -> None:
        pass

    def publish(self, notices: Sequence[Notice]) -> None:
        pass

    async def close(self) -> None:
        pass


async def publish_one(layer: Layer, notice: Notice, *, limits: Limits) -> None:
    """Publish one notice from a process that serves nobody, such as a command. Raises what the layer raises."""
    async with asyncio.timeout(limits.relay_timeout_s):
        await layer.group_send(group_of(notice), encode_message("", [notice]))
