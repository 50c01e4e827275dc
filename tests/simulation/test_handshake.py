"""Handshakes: many at once, more than may wait, clients that leave meanwhile, and a database that does not answer."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec

from messaging.consumers.chat import ChatConsumer
from messaging.transport.direct import EXTENSION
from messaging.wire.closes import DRAINING, OVERLOADED, UNAUTHENTICATED
from messaging.wire.frames import SUBPROTOCOL
from messaging.wire.limits import Limits
from tests.simulation.layer import LossyLayer
from tests.simulation.model_store import ModelStore
from tests.simulation.worker import Clock, Worker
from tests.unit.examples import ALICE, BOB
from tests.unit.virtual_time import run

T = TypeVar("T")

LIMITS = Limits(handshake_timeout_s=10.0, handshake_batch=5, handshake_backlog=8, handshakes_per_s=4.0)
SOON_S = 0.1  # longer than a call of the model's database takes


class Wire:
    """A connection of our server. If `is_broken`, it is lost when the socket attaches to it."""

    def __init__(self, *, is_broken: bool = False) -> None:
        self.is_open = True
        self._is_broken = is_broken

    def attach(self, socket: object) -> None:
        if self._is_broken:
            raise OSError("the connection is closed")


class Opening:
    """A client that opens a socket. Without a `wire`, it is not on our server."""

    def __init__(self, worker: Worker, token: str = "bob", *, wire: Wire | None = None) -> None:
        self.received: list[dict[str, Any]] = []
        self.answered_at: float | None = None
        self._loop = worker.loop
        self._wire = wire
        self._frames: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._frames.put_nowait({"type": "websocket.connect"})
        scope = {
            "type": "websocket",
            "headers": [(b"authorization", f"Bearer {token}".encode())],
            "subprotocols": [SUBPROTOCOL],
            "state": {"engine": worker},
            "extensions": {EXTENSION: wire} if wire else {},
        }
        self._served = worker.loop.create_task(ChatConsumer()(scope, self._frames.get, self._send))

    async def leave(self) -> None:
        """Closes the connection from the client's side."""
        if self._wire is not None:
            self._wire.is_open = False
        self._frames.put_nowait({"type": "websocket.disconnect", "code": 1006})
        await asyncio.sleep(0)

    async def end(self) -> None:
        await self.leave()
        await self._served

    @property
    def outcome(self) -> str | int | None:
        """The first event that was received, or the code of the close frame. None if neither has come."""
        match self.received[1:]:
            case [{"type": "websocket.send", "text": text}, *_]:
                return str(msgspec.json.decode(text)["event"])
            case [{"type": "websocket.close", "code": code}, *_]:
                return int(code)
        return None

    @property
    def retry_after_s(self) -> float:
        """The time that the reason of the close frame gives."""
        return float(self.received[-1]["reason"].partition("; retry_after=")[2])

    async def _send(self, message: dict[str, Any]) -> None:
        self.received.append(message)
        if message["type"] != "websocket.accept" and self.answered_at is None:
            self.answered_at = self._loop.time()
        if message["type"] == "websocket.close":
            self._frames.put_nowait({"type": "websocket.disconnect", "code": message["code"]})


def run_with_worker(scenario: Callable[[Worker], Awaitable[T]]) -> T:
    async def run_scenario() -> T:
        layer = LossyLayer(rng=random.Random(1))
        worker = Worker(ModelStore([ALICE, BOB]), limits=LIMITS, layer=layer, clock=Clock(1))
        try:
            return await scenario(worker)
        finally:
            worker.database.answers.set()
            await worker.close()

    return run(run_scenario())


def batches(worker: Worker) -> list[list[str]]:
    """Returns the tokens of each call that checked some."""
    return [call[1] for call in worker.database.calls if call[0] == "authenticate"]


async def open_many(worker: Worker, count: int) -> list[Opening]:
    openings = [Opening(worker) for _ in range(count)]
    await asyncio.sleep(SOON_S)
    return openings


async def end_all(*openings: Opening) -> None:
    await asyncio.gather(*(opening.end() for opening in openings))


def test_it_works() -> None:
    async def scenario(worker: Worker) -> list[str | int | None]:
        openings = [Opening(worker, token) for token in ("alice", "stranger", "bob")]
        await asyncio.sleep(SOON_S)
        assert len(worker.hub.sinks()) == 2
        await end_all(*openings)
        assert worker.hub.sinks() == []
        return [opening.outcome for opening in openings]

    assert run_with_worker(scenario) == ["hello", UNAUTHENTICATED.code, "hello"]


def test_those_who_wait_together_share_a_call_and_are_answered_in_order() -> None:
    async def scenario(worker: Worker) -> None:
        worker.database.answers.clear()
        openings = await open_many(worker, 1)
        for token in ("alice", "bob", "alice", "bob", "alice", "bob"):
            openings.append(Opening(worker, token))
        await asyncio.sleep(SOON_S)
        worker.database.answers.set()
        await asyncio.sleep(SOON_S)

        assert batches(worker) == [["bob"], ["alice", "bob", "alice", "bob", "alice"], ["bob"]]
        assert [opening.outcome for opening in openings] == ["hello"] * 7
        times = [opening.answered_at or 0.0 for opening in openings]
        assert times == sorted(times)
        await end_all(*openings)

    run_with_worker(scenario)


def test_more_than_may_wait_are_turned_away_at_once_with_a_time_to_come_back() -> None:
    async def scenario(worker: Worker) -> None:
        worker.database.answers.clear()
        openings = [*await open_many(worker, 1), *await open_many(worker, LIMITS.handshake_backlog)]
        late = await open_many(worker, 20)

        assert [opening.outcome for opening in late] == [OVERLOADED.code] * 20
        times = sorted(opening.retry_after_s for opening in late)
        assert times[0] > 0
        assert 20 / LIMITS.handshakes_per_s <= times[-1] <= 1.2 * 20 / LIMITS.handshakes_per_s
        assert sum(time < times[0] + 1 for time in times) <= LIMITS.handshakes_per_s + 1

        worker.database.answers.set()
        await asyncio.sleep(SOON_S)
        assert [opening.outcome for opening in openings] == ["hello"] * (1 + LIMITS.handshake_backlog)
        assert [opening.outcome for opening in await open_many(worker, 1)] == ["hello"]
        await end_all(*openings, *late)

    run_with_worker(scenario)


def test_a_database_that_does_not_answer_costs_nobody_more_than_the_time_for_a_handshake() -> None:
    async def scenario(worker: Worker) -> None:
        worker.database.answers.clear()
        openings = await open_many(worker, 3)
        await asyncio.sleep(LIMITS.handshake_timeout_s - 1)
        late = await open_many(worker, 1)
        assert [opening.outcome for opening in late] == [OVERLOADED.code]  # without waiting
        assert late[0].retry_after_s >= LIMITS.handshake_timeout_s - 1
        await asyncio.sleep(1)

        assert [opening.outcome for opening in openings] == [OVERLOADED.code] * 3
        worker.database.answers.set()
        await asyncio.sleep(SOON_S)
        assert [opening.outcome for opening in await open_many(worker, 1)] == ["hello"]
        assert worker.handshakes.waiting == 0
        await end_all(*openings, *late)

    run_with_worker(scenario)


def test_a_client_that_left_while_it_waited_is_left_out() -> None:
    async def scenario(worker: Worker) -> None:
        worker.database.answers.clear()
        openings = await open_many(worker, 1)
        gone = [Opening(worker, "alice", wire=Wire()) for _ in range(3)]
        waiting = [Opening(worker, "bob")]
        await asyncio.sleep(SOON_S)
        for opening in gone:
            await opening.leave()
        worker.database.answers.set()
        await asyncio.sleep(SOON_S)

        assert batches(worker) == [["bob"], ["bob"]]
        assert len(worker.hub.sinks()) == 2
        assert [opening.outcome for opening in gone] == [None] * 3
        await end_all(*openings, *waiting, *gone)

    run_with_worker(scenario)


def test_a_draining_process_asks_the_database_nothing_and_says_when_to_come_back() -> None:
    async def scenario(worker: Worker) -> None:
        await worker.drain(grace_s=1)
        (opening,) = await open_many(worker, 1)

        assert opening.outcome == DRAINING.code
        assert 0 <= opening.retry_after_s <= LIMITS.reconnect_spread_s + 0.1
        assert batches(worker) == []
        await end_all(opening)

    run_with_worker(scenario)


def test_it_closes_and_does_not_register_a_socket_that_cannot_be_opened() -> None:
    async def scenario(worker: Worker) -> Opening:
        opening = Opening(worker, wire=Wire(is_broken=True))
        await asyncio.sleep(SOON_S)
        assert worker.hub.sinks() == []
        await opening.end()
        return opening

    opening = run_with_worker(scenario)

    assert [message["type"] for message in opening.received] == ["websocket.accept", "websocket.close"]
    assert opening.outcome == OVERLOADED.code
