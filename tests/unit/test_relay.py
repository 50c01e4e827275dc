"""The relay's end, where a layer does not let go."""

import asyncio
from typing import Any

from messaging.fanout.relay import PING_S, Relay
from messaging.wire.limits import Limits


class Stubborn:
    """A layer that swallows the first cancellation of a `send`, as a client of Redis may."""

    def __init__(self) -> None:
        self.swallowed = 0

    async def new_channel(self) -> str:
        return "channel"

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.swallowed += 1

    async def receive(self, channel: str) -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async def group_add(self, group: str, channel: str) -> None: ...

    async def group_discard(self, group: str, channel: str) -> None: ...

    async def group_send(self, group: str, message: dict[str, Any]) -> None: ...


async def test_it_ends_though_a_cancellation_is_swallowed() -> None:
    layer, loop = Stubborn(), asyncio.get_running_loop()
    relay = Relay(
        layer,
        loop=loop,
        limits=Limits(relay_timeout_s=100),
        deliver=lambda notices: None,
        caught_up=lambda group: None,
    )
    await asyncio.sleep(PING_S * 1.5)

    async with asyncio.timeout(5):
        await relay.close()

    assert layer.swallowed == 1
    assert len(asyncio.all_tasks()) == 1
