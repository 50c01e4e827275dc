"""`Engine.drain`: when a process stops, clients come back at a rate that the other processes can take."""

import asyncio
from collections.abc import AsyncIterator, Callable

import msgspec
import pytest

from messaging.append.writer import Appended
from messaging.database_threads import DatabaseThreads
from messaging.engine import CLOSING_SHARE, SLICE_S, Engine
from messaging.transport.socket import Socket
from messaging.wire.closes import DRAINING, Close
from messaging.wire.framing import Frames
from messaging.wire.limits import Limits
from tests.unit.clients import payloads_of
from tests.unit.examples import principal

PER_S, SPREAD_S = 20.0, 1.0

MakeEngine = Callable[[int], tuple[Engine, list["RecordingSocket"]]]


class RecordingSocket(Socket):
    """Records the time to come back that it received, and when it was closed, in seconds."""

    def __init__(self) -> None:
        super().__init__(principal=principal(), send_window=2, on_drained=lambda socket: None)
        self.advised_s: float | None = None
        self.closed_at_s: float | None = None

    def write(self, frames: Frames) -> None:
        (payload,) = payloads_of(frames.wire)
        self.advised_s = msgspec.json.decode(payload)["data"]["reconnect_in_ms"] / 1000

    def _send_close(self, close: Close) -> None:
        assert close == DRAINING
        self.closed_at_s = asyncio.get_running_loop().time()


@pytest.fixture
async def make_engine() -> AsyncIterator[MakeEngine]:
    """Makes an engine with this number of sockets."""
    engines: list[Engine] = []

    def make(sockets: int) -> tuple[Engine, list[RecordingSocket]]:
        engine = Engine(
            limits=Limits(handshakes_per_s=PER_S, reconnect_spread_s=SPREAD_S),
            layer=None,
            readers=DatabaseThreads(0, name="none"),
            writer_thread=DatabaseThreads(0, name="none"),
            append=lambda batch: Appended([], []),
        )
        engines.append(engine)
        opened = [RecordingSocket() for _ in range(sockets)]
        for socket in opened:
            engine.hub.register(socket)
        return engine, opened

    yield make
    for engine in engines:
        await engine.close()


async def test_it_works(make_engine: MakeEngine) -> None:
    engine, sockets = make_engine(200)

    await engine.drain(grace_s=60)

    # 200 sockets at 20 a second: ten seconds, evenly, and each socket is served until its client is to come back.
    advised = sorted(socket.advised_s or 0.0 for socket in sockets)
    assert all(place / PER_S - 0.01 <= advised_s <= (place + 1) / PER_S for place, advised_s in enumerate(advised))
    for socket in sockets:
        assert socket.advised_s is not None
        assert socket.closed_at_s is not None
        assert socket.advised_s - SLICE_S - 0.01 <= socket.closed_at_s <= socket.advised_s + 0.01
    assert asyncio.get_running_loop().time() <= 10


async def test_few_sockets_come_back_within_the_least_spread(make_engine: MakeEngine) -> None:
    engine, sockets = make_engine(3)

    await engine.drain(grace_s=60)

    assert all(socket.advised_s is not None and socket.advised_s <= SPREAD_S for socket in sockets)
    assert asyncio.get_running_loop().time() <= SPREAD_S


async def test_the_grace_holds_if_the_spread_is_longer(make_engine: MakeEngine) -> None:
    engine, sockets = make_engine(400)

    await engine.drain(grace_s=4)

    assert max(socket.advised_s or 0.0 for socket in sockets) > 19
    closed = sorted(socket.closed_at_s or 0.0 for socket in sockets)
    assert closed[-1] <= 4 * CLOSING_SHARE
    # Evenly over that time, for clients that do not wait.
    assert closed[100] == pytest.approx(0.5, abs=SLICE_S)
    assert closed[300] == pytest.approx(1.5, abs=SLICE_S)


async def test_a_socket_whose_send_is_not_answered_holds_up_no_other(make_engine: MakeEngine) -> None:
    engine, sockets = make_engine(100)
    stuck = sockets[:10]
    for socket in stuck:
        await socket.window.acquire()

    await engine.drain(grace_s=20)

    assert all(socket.closed_at_s == 20 for socket in stuck)
    assert all(socket.closed_at_s is not None and socket.closed_at_s <= 5 for socket in sockets[10:])


async def test_without_grace_all_are_advised_and_closed_at_once(make_engine: MakeEngine) -> None:
    engine, sockets = make_engine(50)

    await engine.drain(grace_s=0)

    assert all(socket.advised_s is not None and socket.closed_at_s == 0 for socket in sockets)


async def test_it_takes_no_time_without_sockets(make_engine: MakeEngine) -> None:
    engine, _ = make_engine(0)

    await engine.drain(grace_s=60)

    assert asyncio.get_running_loop().time() == 0
    assert engine.draining_close().reason.startswith("draining; retry_after=")
