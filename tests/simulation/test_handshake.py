"""A handshake that fails after the user was authenticated and before `hello` is sent."""

import asyncio
from typing import Any

from messaging.consumers.chat import ChatConsumer
from messaging.transport.direct import EXTENSION
from messaging.wire.closes import OVERLOADED
from messaging.wire.frames import SUBPROTOCOL
from tests.simulation.world import World
from tests.unit.virtual_time import run


class BrokenWire:
    """A connection that is lost when the socket attaches to it."""

    is_open = True

    def attach(self, socket: object) -> None:
        raise OSError("the connection is closed")


def test_it_closes_and_does_not_register_a_socket_that_cannot_be_opened() -> None:
    async def scenario() -> tuple[list[dict[str, Any]], int, int]:
        world = World(seed=1)
        worker = world.workers[0]
        sockets_before = len(worker.hub.sinks())
        frames: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        frames.put_nowait({"type": "websocket.connect"})
        sent: list[dict[str, Any]] = []

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)
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
        sockets_after = len(worker.hub.sinks())
        await world.close()
        return sent, sockets_before, sockets_after

    sent, sockets_before, sockets_after = run(scenario())

    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.close"]
    assert sent[-1]["code"] == OVERLOADED.code
    assert sockets_before == sockets_after
