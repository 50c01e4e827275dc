"""A handshake that fails between signing in and saying hello."""

import asyncio
from typing import Any

from messaging.consumers.chat import ChatConsumer
from messaging.transport.direct import EXTENSION
from messaging.wire.closes import OVERLOADED
from messaging.wire.frames import SUBPROTOCOL
from tests.simulation.world import World
from tests.unit.virtual_time import run


class BrokenWire:
    """A connection that breaks when the socket is attached to it."""

    def attach(self, socket: object) -> None:
        raise OSError("the connection is gone")


def test_a_socket_that_cannot_be_opened_is_closed_and_leaves_nothing_behind() -> None:
    async def live() -> tuple[list[dict[str, Any]], int, int]:
        world = World(seed=1)
        worker = world.workers[0]
        before = len(worker.hub.sinks())
        frames: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        frames.put_nowait({"type": "websocket.connect"})
        said: list[dict[str, Any]] = []

        async def send(message: dict[str, Any]) -> None:
            said.append(message)
            if message["type"] == "websocket.close":
                frames.put_nowait({"type": "websocket.disconnect", "code": message["code"]})

        scope = {
            "type": "websocket",
            "headers": [(b"authorization", b"Bearer bob")],
            "subprotocols": [SUBPROTOCOL],
            "state": {"engine": worker},
            "extensions": {EXTENSION: BrokenWire()},
        }
        await ChatConsumer()(scope, frames.get, send)
        after = len(worker.hub.sinks())
        await world.close()
        return said, before, after

    said, before, after = run(live())

    assert [message["type"] for message in said] == ["websocket.accept", "websocket.close"]
    assert said[-1]["code"] == OVERLOADED.code
    assert before == after
