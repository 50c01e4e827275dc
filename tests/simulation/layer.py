"""A channel layer that loses a third of its messages, doubles some, delays others, and can be down."""

import asyncio
import random
from typing import Any, Literal

Message = dict[str, Any]
Outage = Literal["raises", "hangs", "drops"]

LOSS = 1 / 3
DOUBLED = 1 / 6
# Most messages arrive at once, some before a hole is refilled, and some long after the sweep has run.
DELAYS_S = (0.0, 0.0, 0.0, 0.001, 0.005, 0.02, 0.3, 2.5)
CALL_S = 0.002  # how long adding to a group takes


class LossyLayer:
    """An in-memory channel layer with faults. `rng` decides which messages are lost, doubled or delayed.

    Two runs with the same seed lose the same messages. Must be made on a running loop.
    """

    def __init__(self, *, rng: random.Random) -> None:
        self._rng = rng
        self._loop = asyncio.get_running_loop()
        self._channels: dict[str, asyncio.Queue[Message | ConnectionError]] = {}
        self._groups: dict[str, dict[str, None]] = {}
        self._is_up = asyncio.Event()
        self._is_up.set()
        self.outage: Outage | None = None
        self.call_s = CALL_S
        self.offered = 0  # messages, counted once for each receiver
        self.lost = 0

    def go_down(self, outage: Outage) -> None:
        """Makes every call raise, hang, or return without an effect. Groups are kept only if calls hang."""
        self.outage = outage
        self._is_up.clear()
        if outage != "hangs":
            self._groups.clear()
        if outage == "raises":
            for channel in self._channels.values():
                channel.put_nowait(ConnectionError("the layer is down"))

    def come_up(self) -> None:
        self.outage = None
        self._is_up.set()

    # -- the interface that the relay calls -------------------------------------------------------------------------

    async def new_channel(self) -> str:
        await self._check_outage()
        name = f"channel-{len(self._channels)}"
        self._channels[name] = asyncio.Queue()
        return name

    async def send(self, channel: str, message: Message) -> None:
        await self._check_outage()
        self._transmit(channel, message)

    async def receive(self, channel: str) -> Message:
        found = await self._channels[channel].get()
        if isinstance(found, ConnectionError):
            raise found
        return found

    async def group_add(self, group: str, channel: str) -> None:
        await self._check_outage()
        await asyncio.sleep(self.call_s)
        if self.outage is None:
            self._groups.setdefault(group, {})[channel] = None

    async def group_discard(self, group: str, channel: str) -> None:
        await self._check_outage()
        self._groups.get(group, {}).pop(channel, None)

    async def group_send(self, group: str, message: Message) -> None:
        await self._check_outage()
        for channel in self._groups.get(group, {}):
            self._transmit(channel, message)

    # -- faults -----------------------------------------------------------------------------------------------------

    async def _check_outage(self) -> None:
        """Raises `ConnectionError` if calls raise now. Waits for the end of the outage if they hang."""
        if self.outage == "raises":
            raise ConnectionError("the layer is down")
        if self.outage == "hangs":
            await self._is_up.wait()

    def _transmit(self, channel: str, message: Message) -> None:
        """Delivers `message` once or twice, now or later, or loses it."""
        if self.outage is not None:
            return
        self.offered += 1
        if self._rng.random() < LOSS:
            self.lost += 1
            return
        for _ in range(2 if self._rng.random() < DOUBLED else 1):
            delay_s = self._rng.choice(DELAYS_S)
            if delay_s:
                self._loop.call_later(delay_s, self._deliver, channel, message)
            else:
                self._deliver(channel, message)

    def _deliver(self, channel: str, message: Message) -> None:
        if self.outage is None:
            self._channels[channel].put_nowait(message)
