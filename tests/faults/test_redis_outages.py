"""Whatever happens to Redis, every follower receives every message in order and in time, and acks are not delayed.

A user's devices receive in time where their read cursor is.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import UUID

import msgspec
from django.conf import settings
from websockets.asyncio.client import ClientConnection, connect

from rooms import services
from rooms.schema import NewRoom
from tests.engine import only_on
from tests.people import Person, make_person
from tests.redis import Redis
from tests.servers import Server

OUTAGE_S = float(os.environ.get("TEST_OUTAGE_S", "2"))
ROOMS, SEND_INTERVAL_S, READ_INTERVAL_S, MAX_DELAY_S = 4, 0.04, 0.1, 1.5


@dataclass
class Measurements:
    """What the senders and followers of one run measured."""

    acks: list[tuple[str, float]] = field(default_factory=list)  # phase, seconds from the request to the reply
    delays: list[tuple[str, float]] = field(default_factory=list)  # phase, seconds from the commit
    seqs: dict[tuple[int, UUID], list[int]] = field(default_factory=dict)
    received: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))  # released for each event
    moves: list[tuple[int, float]] = field(default_factory=list)  # of the read cursor, each with its time
    shown: list[tuple[int, float]] = field(
        default_factory=list
    )  # the positions of the cursor that the other device receives
    phase: str = "before"
    is_over: bool = False

    def p99_ms(self, *, before: bool) -> float:
        times = sorted(took for phase, took in self.acks if (phase == "before") is before)
        return times[int(len(times) * 0.99)] * 1000


@asynccontextmanager
async def connected(server: Server, person: Person) -> AsyncIterator[ClientConnection]:
    async with connect(server.ws_url, additional_headers=person.headers, compression=None) as connection:
        await connection.recv()
        yield connection


async def act(connection: ClientConnection, **request: Any) -> dict[str, Any]:
    await connection.send(msgspec.json.encode(request).decode())
    reply: dict[str, Any] = {"event": ""}
    while "event" in reply:
        reply = msgspec.json.decode(await connection.recv())
    assert reply["response_status"] in {200, 201}, reply
    return reply


async def send_continuously(server: Server, person: Person, room: UUID, measured: Measurements) -> None:
    async with connected(server, person) as connection:
        while not measured.is_over:
            began, phase = time.monotonic(), measured.phase
            await act(connection, action="send", room=str(room), text="x")
            measured.acks.append((phase, time.monotonic() - began))
            await asyncio.sleep(SEND_INTERVAL_S)


async def follow(index: int, server: Server, person: Person, rooms: list[UUID], measured: Measurements) -> None:
    async with connected(server, person) as connection:
        for room in rooms:
            measured.seqs[index, room] = []
            await act(connection, action="join", room=str(room))
        async for frame in connection:
            event = msgspec.json.decode(frame)
            delay_s = (datetime.now(UTC) - datetime.fromisoformat(event["at"])).total_seconds()
            measured.delays.append((measured.phase, delay_s))
            measured.received.release()
            measured.seqs[index, UUID(event["room"])].append(event["seq"])


async def move_cursor(server: Server, person: Person, room: UUID, measured: Measurements) -> None:
    async with connected(server, person) as connection:
        for message_id in count(1):
            await asyncio.sleep(READ_INTERVAL_S)
            if measured.is_over:
                break
            await act(connection, action="read", room=str(room), id=message_id)
            measured.moves.append((message_id, time.monotonic()))


async def listen(server: Server, person: Person, measured: Measurements) -> None:
    async with connected(server, person) as connection:
        async for frame in connection:
            event = msgspec.json.decode(frame)
            assert event["event"] == "read"
            measured.shown.append((event["data"]["read_id"], time.monotonic()))


async def run_phases(redis: Redis, measured: Measurements) -> None:
    async def enter_phase(name: str, length_s: float) -> None:
        measured.phase = name
        await asyncio.sleep(length_s)

    await enter_phase("before", 1)
    redis.stop()
    await enter_phase("stopped", OUTAGE_S)
    redis.start()
    await enter_phase("started", 2)
    redis.flush()
    await enter_phase("flushed", 1)
    redis.pause()
    await enter_phase("paused", OUTAGE_S)
    redis.resume()
    await enter_phase("resumed", 2)


async def run(servers: list[Server], redis: Redis, people: list[Person], rooms: list[UUID]) -> Measurements:
    measured = Measurements()
    followers = [
        asyncio.create_task(follow(index, server, people[0], rooms, measured)) for index, server in enumerate(servers)
    ]
    followers.append(asyncio.create_task(listen(servers[1], people[2], measured)))
    await asyncio.sleep(0.5)
    senders = [
        asyncio.create_task(send_continuously(servers[turn % 2], people[turn % 2], room, measured))
        for turn, room in enumerate(rooms * 2)
    ]
    senders.append(asyncio.create_task(move_cursor(servers[0], people[2], rooms[0], measured)))
    await run_phases(redis, measured)
    measured.is_over = True
    await asyncio.gather(*senders)
    with suppress(TimeoutError):
        async with asyncio.timeout(MAX_DELAY_S):
            for _ in range(len(measured.acks) * len(servers)):
                await measured.received.acquire()
    for follower in followers:
        follower.cancel()
    await asyncio.gather(*followers, return_exceptions=True)
    return measured


@only_on("postgresql")
def test_it_delivers_everything_in_order_and_in_time(redis_pair: list[Server], redis: Redis) -> None:
    people = [make_person("alice"), make_person("bob"), make_person("charlie")]
    draft = NewRoom(name="Storm", kind="private", members=[people[1].id, people[2].id])
    rooms = [services.create_room(user_id=people[0].id, new=draft).room.id for _ in range(ROOMS)]

    measured = asyncio.run(run(redis_pair, redis, people, rooms))

    longest: dict[str, float] = {}
    for phase, delay_s in measured.delays:
        longest[phase] = max(delay_s, longest.get(phase, 0.0))
    before_ms, during_ms = measured.p99_ms(before=True), measured.p99_ms(before=False)
    engine = settings.DATABASES["default"]["ENGINE"].rpartition(".")[2]
    print(f"\n{engine}: ack p99 {before_ms:.1f} ms before, {during_ms:.1f} ms during")
    print("longest delay, s:", {phase: round(delay_s, 3) for phase, delay_s in longest.items()})
    for seqs in measured.seqs.values():
        assert seqs == list(range(4, 4 + len(seqs)))
    for room in rooms:
        assert measured.seqs[0, room] == measured.seqs[1, room]
    assert len(measured.delays) == len(redis_pair) * len(measured.acks)
    assert max(longest.values()) <= MAX_DELAY_S
    assert during_ms < 3 * before_ms + 50
    assert [read_id for read_id, _ in measured.shown] == sorted({read_id for read_id, _ in measured.shown})
    lags = [next(at for shown, at in measured.shown if shown >= read_id) - moved for read_id, moved in measured.moves]
    print(f"{len(lags)} moves of the read cursor in {len(measured.shown)} events, the latest after {max(lags):.3f} s")
    assert max(lags) <= MAX_DELAY_S
