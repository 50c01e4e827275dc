"""The relay: publishes to other processes what this one committed, and delivers here what they published. Pure.

It is the only caller of the channel layer. The process has one channel, which is in the group of each room that is
followed here and of each user who has a socket here. Nothing waits for the layer: what it loses, doubles or delays, the
sweep finds.
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
from rooms.notices import Notice

RETRY_S = 1.0  # between two tries to receive or to subscribe
PING_S = 1.0
ECHO_TIMEOUT_S = 3.0  # without any of its own messages, after which the layer is unhealthy
RENEW_S = 6 * 3600.0  # some layers forget the members of a group after a day
WARN_EVERY_S = 60.0
CANCELLATIONS = 20  # of a task that does not end
CANCEL_EVERY_S = 0.1

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Relay:
    """Used on one loop only. Owns its tasks, which run until `close`.

    `deliver` is called with the notices that other processes published, and `on_subscribed` with the name of a group
    once the process is in it: what was published to the group before that was missed.
    """

    def __init__(
        self,
        layer: Layer,
        *,
        loop: asyncio.AbstractEventLoop,
        limits: Limits,
        deliver: Callable[[Sequence[Notice]], None],
        on_subscribed: Callable[[str], None],
    ) -> None:
        self._layer = layer
        self._loop = loop
        self._limits = limits
        self._deliver = deliver
        self._on_subscribed = on_subscribed
        self._origin = secrets.token_hex(8)
        self._channel: str | None = None
        self._wanted: set[str] = set()  # the groups to be in
        self._due: OrderedDict[str, None] = OrderedDict()  # the groups to be added or discarded, in order
        self._is_due = asyncio.Event()
        self._outgoing = Outgoing(max_bytes=limits.relay_max_bytes)
        self._has_outgoing = asyncio.Event()
        self._broken_until = 0.0
        self._echoed_at = loop.time()
        self._next_warning_at = 0.0  # about malformed messages
        self._was_healthy = True  # when it was last logged
        works = (self._receive, self._keep_subscribed, self._publish, self._ping)
        self._tasks = [loop.create_task(work()) for work in works]

    @property
    def is_healthy(self) -> bool:
        """Whether calls of the layer work, and the messages that this process sends to itself arrive."""
        now = self._loop.time()
        return now >= self._broken_until and now - self._echoed_at < ECHO_TIMEOUT_S

    @property
    def state(self) -> str:
        """What `/readyz` shows: "ok" or "failing"."""
        return "ok" if self.is_healthy else "failing"

    def subscribe(self, group: str) -> None:
        """Asks to receive what is published to `group`. Does not wait for the layer."""
        self._wanted.add(group)
        self._make_due(group)

    def unsubscribe(self, group: str) -> None:
        self._wanted.discard(group)
        self._make_due(group)

    def publish(self, notices: Sequence[Notice]) -> None:
        """Publishes to the other processes soon. Past `relay_max_bytes` of waiting notices, only hints are sent."""
        for notice in notices:
            self._outgoing.add(notice)
        self._has_outgoing.set()

    async def close(self) -> None:
        """Ends the tasks. Each is cancelled until it ends: clients of Redis have swallowed a cancellation."""
        pending = set(self._tasks)
        for _ in range(CANCELLATIONS):
            for task in pending:
                task.cancel()
            _, pending = await asyncio.wait(pending, timeout=CANCEL_EVERY_S)
            if not pending:
                return

    # -- receiving --------------------------------------------------------------------------------------------------

    async def _receive(self) -> None:
        while True:
            try:
                if self._channel is None:
                    self._channel = await self._layer.new_channel()
                    self._due = OrderedDict.fromkeys(self._wanted)  # a new channel is in no group
                    self._is_due.set()
                message = await self._layer.receive(self._channel)
            except Exception as error:  # noqa: BLE001 - a layer raises what its client raises
                self._break(error)
                self._channel = None
                await asyncio.sleep(RETRY_S)
            else:
                self._accept(message)

    def _accept(self, message: dict[str, Any]) -> None:
        """Delivers what another process published, or notes that a message of this process has come back."""
        try:
            is_own = message["origin"] == self._origin
            notices = [] if is_own else decode_notices(message["notices"])
        except (KeyError, TypeError, ValueError) as error:
            self._warn_of_malformed(error)
            return
        if is_own:
            self._echoed_at = self._loop.time()
        else:
            self._call(self._deliver, notices)

    def _warn_of_malformed(self, error: Exception) -> None:
        """Logs once a minute: while two versions run side by side, each message of the other may be malformed."""
        if self._loop.time() >= self._next_warning_at:
            self._next_warning_at = self._loop.time() + WARN_EVERY_S
            log.warning("malformed message from the channel layer; the sweep delivers", error=repr(error))

    def _call(self, callback: Callable[[T], None], argument: T) -> None:
        """Calls into the rest of the process. An error there is no failure of the layer."""
        try:
            callback(argument)
        except Exception:
            log.exception("relay callback failed", callback=repr(callback))

    # -- groups -----------------------------------------------------------------------------------------------------

    def _make_due(self, group: str) -> None:
        self._due[group] = None
        self._is_due.set()

    async def _keep_subscribed(self) -> None:
        """Keeps the channel in the wanted groups, and renews its membership of all of them every `RENEW_S`."""
        renew_at = self._loop.time() + RENEW_S
        renewals: OrderedDict[str, None] = OrderedDict()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(renew_at):
                    await self._is_due.wait()
            self._is_due.clear()
            if self._loop.time() >= renew_at:
                renew_at = self._loop.time() + RENEW_S
                renewals.update(dict.fromkeys(self._wanted))
            try:
                while (due := self._due or renewals) and self._channel is not None:  # renewals can wait
                    group, _ = due.popitem(last=False)
                    await self._update_membership(group, self._channel)
                    await asyncio.sleep(0)  # some layers answer without a turn of the loop, and groups are many
            except Exception as error:  # noqa: BLE001
                self._break(error)
                await asyncio.sleep(RETRY_S)
                self._is_due.set()

    async def _update_membership(self, group: str, channel: str) -> None:
        """Adds `channel` to `group` if it is wanted, otherwise removes it. If that fails, the group is due again."""
        try:
            async with asyncio.timeout(self._limits.relay_timeout_s):
                if group not in self._wanted:
                    await self._layer.group_discard(group, channel)
                    return
                await self._layer.group_add(group, channel)
        except Exception:
            self._due[group] = None
            raise
        if self._channel == channel:  # else it was lost, and its groups with it
            self._call(self._on_subscribed, group)

    # -- publishing -------------------------------------------------------------------------------------------------

    async def _publish(self) -> None:
        while True:
            await self._has_outgoing.wait()
            self._has_outgoing.clear()
            for group, notices in self._outgoing.take().items():
                if self._loop.time() < self._broken_until:
                    break  # the sweeps of the other processes find what is dropped here
                try:
                    async with asyncio.timeout(self._limits.relay_timeout_s):
                        await self._layer.group_send(group, encode_message(self._origin, notices))
                except Exception as error:  # noqa: BLE001
                    self._break(error)
            await asyncio.sleep(self._limits.relay_pause_s)

    # -- health -----------------------------------------------------------------------------------------------------

    async def _ping(self) -> None:
        """Sends messages to this process through the layer: some layers lose their connection without an error."""
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

    def _break(self, error: Exception) -> None:
        """Counts the layer as failed, and publishes nothing, for `relay_break_s`."""
        if self._was_healthy:
            self._was_healthy = False
            log.warning("channel layer failed; the sweep delivers", error=repr(error))
        self._broken_until = self._loop.time() + self._limits.relay_break_s


class NoRelay:
    """The relay of a process that has no channel layer. It does nothing: the sweep finds what others committed."""

    is_healthy = True  # or the sweep would run at the interval that is meant for a failing layer
    state = "none"

    def subscribe(self, group: str) -> None: ...
    def unsubscribe(self, group: str) -> None: ...
    def publish(self, notices: Sequence[Notice]) -> None: ...
    async def close(self) -> None: ...


async def publish_one(layer: Layer, notice: Notice, *, limits: Limits) -> None:
    """Publishes one notice from a process that has no relay, such as a management command.

    Raises `TimeoutError` after `relay_timeout_s`, and what the layer raises.
    """
    async with asyncio.timeout(limits.relay_timeout_s):
        await layer.group_send(group_of(notice), encode_message("", [notice]))
