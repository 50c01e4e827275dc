"""A channel layer that loses a third of its messages, doubles some, delays others, and can be down."""

import asyncio
import random
from typing import Any, Literal

Message = dict[str, Any]
Outage = Literal["raises", "hangs", "deaf"]

LOSS = 1 / 3
DOUBLED = 1 / 6
# Most messages arrive at once, some before a hole is refilled, and some long after the sweep has run.
DELAYS_S = (0.0, 0.0, 0.0, 0.001, 0.005, 0.02, 0.3, 2.5)
CALL_S = 0.002  # that adding to a group takes


class LossyLayer:
    """Draws what it loses and delays from `fate`, so that a seed repeats a run. Must be made on a running loop."""

    def __init__(self, *, fate: random.Random) -> None:
        self._fate = fate
        self._loop = asyncio.get_running_loop()
        self._channels: dict[str, asyncio.Queue[Message | ConnectionError]] = {}
        self._groups: dict[str, dict[str, None]] = {}
        self._is_up = asyncio.Event()
        self._is_up.set()
        self.outage: Outage | None = None
        self.call_s = CALL_S
        self.offered = 0  # messages, counted once for every receiver
        self.lost = 0

    def go_down(self, outage: Outage) -> None:
        """From now on every call raises, hangs, or has no effect. Groups are forgotten, unless calls only hang."""
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

    # -- what the relay calls ---------------------------------------------------------------------------------------

    async def new_channel(self) -> str:
        await self._answer()
        name = f"channel-{len(self._channels)}"
        self._channels[name] = asyncio.Queue()
        return name

    async def send(self, channel: str, message: Message) -> None:
        await self._answer()
        self._carry(channel, message)

    async def receive(self, channel: str) -> Message:
        found = await self._channels[channel].get()
        if isinstance(found, ConnectionError):
            raise found
        return found

    async def group_add(self, group: str, channel: str) -> None:
        await self._answer()
        await asyncio.sleep(self.call_s)
        if self.outage is None:
            self._groups.setdefault(group, {})[channel] = None

    async def group_discard(self, group: str, channel: str) -> None:
        await self._answer()
        self._groups.get(group, {}).pop(channel, None)

    async def group_send(self, group: str, message: Message) -> None:
        await self._answer()
        for channel in self._groups.get(group, {}):
            self._carry(channel, message)

    # -- fate -------------------------------------------------------------------------------------------------------

    async def _answer(self) -> None:
        if self.outage == "raises":
            raise ConnectionError("the layer is down")
        if self.outage == "hangs":
            await self._is_up.wait()

    def _carry(self, channel: str, message: Message) -> None:
        if self.outage is not None:
            return
        self.offered += 1
        if self._fate.random() < LOSS:
            self.lost += 1
            return
        for _ in range(2 if self._fate.random() < DOUBLED else 1):
            delay_s = self._fate.choice(DELAYS_S)
            if delay_s:
                self._loop.call_later(delay_s, self._arrive, channel, message)
            else:
                self._arrive(channel, message)

    def _arrive(self, channel: str, message: Message) -> None:
        if self.outage is None:
            self._channels[channel].put_nowait(message)
