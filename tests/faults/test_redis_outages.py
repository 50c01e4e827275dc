"""G3: whatever becomes of Redis, every follower gets every message in order and in time, and acks do not wait."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
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
ROOMS, PACE_S, LATEST_S = 4, 0.04, 1.5


@dataclass
class Watch:
    """What one load of senders and followers saw."""

    acks: list[tuple[str, float]] = field(default_factory=list)  # phase, seconds
    late: list[tuple[str, float]] = field(default_factory=list)
    seqs: dict[tuple[int, UUID], list[int]] = field(default_factory=dict)
    heard: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))  # one for each of them
    phase: str = "before"
    over: bool = False

    def p99_ms(self, *, before: bool) -> float:
        times = sorted(took for phase, took in self.acks if (phase == "before") is before)
        return times[int(len(times) * 0.99)] * 1000


@asynccontextmanager
async def opened(server: Server, person: Person) -> AsyncIterator[ClientConnection]:
    async with connect(server.ws_url, additional_headers=person.headers, compression=None) as connection:
        await connection.recv()
        yield connection


async def act(connection: ClientConnection, **request: Any) -> dict[str, Any]:
    await connection.send(msgspec.json.encode(request).decode())
    reply: dict[str, Any] = msgspec.json.decode(await connection.recv())
    assert reply["response_status"] in {200, 201}, reply
    return reply


async def send_along(server: Server, person: Person, room: UUID, watch: Watch) -> None:
    async with opened(server, person) as connection:
        while not watch.over:
            began, phase = time.monotonic(), watch.phase
            await act(connection, action="send", room=str(room), text="x")
            watch.acks.append((phase, time.monotonic() - began))
            await asyncio.sleep(PACE_S)


async def follow(place: int, server: Server, person: Person, rooms: list[UUID], watch: Watch) -> None:
    async with opened(server, person) as connection:
        for room in rooms:
            watch.seqs[place, room] = []
            await act(connection, action="join", room=str(room))
        async for frame in connection:
            event = msgspec.json.decode(frame)
            late_s = (datetime.now(UTC) - datetime.fromisoformat(event["at"])).total_seconds()
            watch.late.append((watch.phase, late_s))
            watch.heard.release()
            watch.seqs[place, UUID(event["room"])].append(event["seq"])


async def disturb(redis: Redis, watch: Watch) -> None:
    async def phase(name: str, length_s: float) -> None:
        watch.phase = name
        await asyncio.sleep(length_s)

    await phase("before", 1)
    redis.stop()
    await phase("stopped", OUTAGE_S)
    redis.start()
    await phase("started", 2)
    redis.flush()
    await phase("flushed", 1)
    redis.pause()
    await phase("paused", OUTAGE_S)
    redis.resume()
    await phase("resumed", 2)


async def run(servers: list[Server], redis: Redis, people: list[Person], rooms: list[UUID]) -> Watch:
    watch = Watch()
    followers = [
        asyncio.create_task(follow(place, server, people[0], rooms, watch)) for place, server in enumerate(servers)
    ]
    await asyncio.sleep(0.5)
    senders = [
        asyncio.create_task(send_along(servers[turn % 2], people[turn % 2], room, watch))
        for turn, room in enumerate(rooms * 2)
    ]
    await disturb(redis, watch)
    watch.over = True
    await asyncio.gather(*senders)
    with suppress(TimeoutError):
        async with asyncio.timeout(LATEST_S):
            for _ in range(len(watch.acks) * len(followers)):
                await watch.heard.acquire()
    for follower in followers:
        follower.cancel()
    await asyncio.gather(*followers, return_exceptions=True)
    return watch


@only_on("postgresql")
def test_it_loses_delays_and_disorders_nothing(redis_pair: list[Server], redis: Redis) -> None:
    people = [make_person("alice"), make_person("bob")]
    draft = NewRoom(name="Storm", kind="private", members=[people[1].id])
    rooms = [services.create_room(user_id=people[0].id, new=draft).room.id for _ in range(ROOMS)]

    watch = asyncio.run(run(redis_pair, redis, people, rooms))

    latest: dict[str, float] = {}
    for phase, late_s in watch.late:
        latest[phase] = max(late_s, latest.get(phase, 0.0))
    before_ms, during_ms = watch.p99_ms(before=True), watch.p99_ms(before=False)
    engine = settings.DATABASES["default"]["ENGINE"].rpartition(".")[2]
    print(f"\n{engine}: ack p99 {before_ms:.1f} ms before, {during_ms:.1f} ms during")
    print("latest delivery, s:", {phase: round(late_s, 3) for phase, late_s in latest.items()})
    for seqs in watch.seqs.values():
        assert seqs == list(range(3, 3 + len(seqs)))
    for room in rooms:
        assert watch.seqs[0, room] == watch.seqs[1, room]
    assert len(watch.late) == len(redis_pair) * len(watch.acks)
    assert max(latest.values()) <= LATEST_S
    assert during_ms < 3 * before_ms + 50
