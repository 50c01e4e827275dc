"""Thousands of clients come back to one process at once, and many followers resume from the same seq at once."""

import asyncio
import os
import resource
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from websockets.asyncio.client import connect

from messaging.services.send import send_message
from messaging.wire.actions import Send
from rooms import services
from rooms.schema import NewRoom
from tests.benchmarks.generator import Generator
from tests.benchmarks.herd import sockets_of
from tests.benchmarks.seed_herd import make_crowd
from tests.conftest import StartServer
from tests.engine import only_on
from tests.people import Person, make_person
from tests.servers import Server

MISSED = 1_000
HERD, MEMBERS_OF_EACH_ROOM, MISSED_BY_THE_HERD = 2_000, 50, 5


async def resume(
    server: Server, person: Person, room: UUID, start: asyncio.Event, ready: asyncio.Semaphore
) -> list[int]:
    async with connect(server.ws_url, additional_headers=person.headers, compression=None) as connection:
        await connection.recv()
        ready.release()
        await start.wait()
        await connection.send(msgspec.json.encode({"action": "join", "room": str(room), "after": 1}).decode())
        reply = msgspec.json.decode(await connection.recv())
        assert reply["data"]["resync"] is False
        return [msgspec.json.decode(await connection.recv())["seq"] for _ in range(MISSED)]


async def resume_all(server: Server, person: Person, room: UUID, size: int) -> list[list[int]]:
    start, ready = asyncio.Event(), asyncio.Semaphore(0)
    tasks = [asyncio.create_task(resume(server, person, room, start, ready)) for _ in range(size)]
    for _ in range(size):
        await ready.acquire()
    start.set()
    return await asyncio.gather(*tasks)


@pytest.mark.parametrize("action", ["sync", "join"])
def test_it_works(start_server: StartServer, tmp_path: Path, action: str) -> None:
    """A herd comes back within a second: nobody is turned away, and each client receives what it missed, in order."""
    members, missed = MEMBERS_OF_EACH_ROOM, MISSED_BY_THE_HERD
    crowd = make_crowd(HERD, members=members, missed=missed)
    server = start_server()

    sockets = sockets_of(crowd.tokens, crowd.rooms, action=action, members=members, missed=missed)
    with Generator(sockets, port=server.port, directory=tmp_path, core=None) as clients:
        arrival = clients.come_back(spread_s=1.0)

        print(f"\n{arrival}")
        assert (arrival.sockets, arrival.refused, arrival.misordered) == (HERD, 0, 0)
        assert server.readiness()["sockets"] == HERD


@only_on("sqlite")
def test_it_shares_the_pages_among_all_followers(start_server: StartServer) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    size = min(int(os.environ.get("TEST_HERD", "100")), min(hard, 8192) - 200)
    alice = make_person("alice")
    room = services.create_room(user_id=alice.id, new=NewRoom(name="Herd", kind="private")).room.id
    for number in range(MISSED):
        send_message(Send(room=room, text=str(number)), sender=alice.principal)
    server = start_server(ROOMLOG_MAX_SOCKETS=str(size + 1))

    received = asyncio.run(resume_all(server, alice, room, 1))
    alone = server.readiness()["pages_read"]
    received += asyncio.run(resume_all(server, alice, room, size))
    together = server.readiness()["pages_read"] - alone

    assert received == [list(range(2, MISSED + 2))] * (size + 1)
    print(f"\n{alone} pages read for one follower, {together} for {size}")
    assert together <= 3 * alone
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
