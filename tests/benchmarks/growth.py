"""How costs grow with the size of rooms and gaps, the number of processes, and the number of sends."""

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import NamedTuple

import httpx

from tests.benchmarks.subjects import Roomlog, RoomlogPostgresql
from tests.benchmarks.suites import PAIRS, PAIRS_IN_FLIGHT, Plan, available, running

PAGES = 300


class Growth(NamedTuple):
    """A row of the table of growth: the CPU time and the duration of an operation, at a size."""

    deed: str
    name: str
    size: int
    cpu_us: float
    ms: float


def growth(plan: Plan) -> list[Growth]:
    """Measures a send and a page of history by the messages in the room, and a resume by the length of the gap."""
    found: list[Growth] = []
    for kind in available([RoomlogPostgresql, Roomlog]):
        assert issubclass(kind, Roomlog)
        for turn in range(plan.rounds):
            for size in plan.messages:
                with grown(kind, plan, size, turn) as (subject, room):
                    found += [send_cost(subject, size, plan), page_cost(subject, room, size)]
        size = plan.messages[-1]
        with grown(kind, plan, size, plan.rounds) as (subject, room):
            found += [resume_cost(subject, room, gap) for gap in plan.gaps if gap <= size]
    return found


@contextmanager
def grown(kind: type[Roomlog], plan: Plan, size: int, turn: int) -> Iterator[tuple[Roomlog, str]]:
    """Yields a server with its own database, and a room in it with `size` messages, filled in the first turn."""
    directory = plan.directory / f"room-of-{size}"
    if turn == 0 or size == 0:  # after a turn that sends, the room would no longer be empty
        shutil.rmtree(directory / kind.__name__, ignore_errors=True)
    directory.mkdir(exist_ok=True)
    with running(kind, plan._replace(directory=directory)) as subject:
        room = subject.plan["rooms"]["10"]
        if turn == 0:
            subject.run_python("-m", "tests.benchmarks.fill", room, str(size))
        yield subject, room


def printed(row: Growth) -> Growth:
    """Prints `row` and returns it."""
    print(row, flush=True)
    return row


def send_cost(subject: Roomlog, size: int, plan: Plan) -> Growth:
    with subject.generator(subject.room(10, 10)) as clients:
        clients.connect()
        result = clients.closed(2, seconds=plan.seconds)
    return printed(Growth("send", subject.name, size, result.cpu_us_per_message, result.p50_us / 1000))


def page_cost(subject: Roomlog, room: str, size: int) -> Growth:
    headers = {"Authorization": f"Bearer {subject.plan['tokens'][0]}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{subject.port}", headers=headers) as client:
        path = f"/api/v1/rooms/{room}/messages/?before={size // 2 + 100}"  # in an empty room: what `send_cost` sent
        for _ in range(20):
            client.get(path).raise_for_status()
        before, begun = subject.cpu_s(), time.monotonic()
        for _ in range(PAGES):
            client.get(path)
        took, spent = time.monotonic() - begun, subject.cpu_s() - before
    return printed(Growth("page of history", subject.name, size, spent * 1e6 / PAGES, took * 1000 / PAGES))


def resume_cost(subject: Roomlog, room: str, gap: int) -> Growth:
    """Measures the resume of one socket that is `gap` entries behind."""
    from websockets.sync.client import connect

    headers = {"Authorization": f"Bearer {subject.plan['tokens'][0]}"}
    with connect(f"ws://127.0.0.1:{subject.port}/ws/", additional_headers=headers, compression=None) as socket:
        socket.recv()
        socket.send(json.dumps({"action": "join", "room": room}))
        head = json.loads(socket.recv())["data"]["head"]["seq"]
        socket.send(json.dumps({"action": "leave", "room": room}))
        socket.recv()
        before, begun = subject.cpu_s(), time.monotonic()
        socket.send(json.dumps({"action": "join", "room": room, "after": head - gap, "max_replay": gap}))
        for _ in range(1 + gap):
            socket.recv(timeout=30)
        took, spent = time.monotonic() - begun, subject.cpu_s() - before
    return printed(Growth("resume", subject.name, gap, spent * 1e6, took * 1000))


class Workers(NamedTuple):
    workers: int
    sends_per_s: float
    cpu_us_per_send: float


def workers(plan: Plan) -> list[Workers]:
    """Measures sends in fifty rooms with one, two and four processes on one core, PostgreSQL and Redis."""
    found = []
    for count in (1, 2, 4) if RoomlogPostgresql in available([RoomlogPostgresql]) else ():
        kind: type[RoomlogPostgresql] = type(f"Roomlog{count}", (RoomlogPostgresql,), {"workers": count})
        results = []
        for _ in range(plan.rounds):
            with running(kind, plan) as subject, subject.generator(subject.pairs(PAIRS)) as clients:
                clients.connect()
                results.append(clients.closed(PAIRS_IN_FLIGHT, seconds=plan.seconds))
        found.append(
            Workers(
                count,
                median(result.messages_per_s for result in results),
                median(result.cpu_us_per_message for result in results),
            )
        )
        print(found[-1], flush=True)
    return found


class Memory(NamedTuple):
    sends: int
    before_bytes: int
    after_bytes: int


def memory(plan: Plan) -> Memory:
    """Measures the server's memory before and after `plan.sends` sends."""
    with running(Roomlog, plan) as subject, subject.generator(subject.pairs(PAIRS)) as clients:
        clients.connect()
        sent = clients.closed(PAIRS_IN_FLIGHT, seconds=plan.seconds).messages
        before, sent = subject.memory_bytes(), 0
        while sent < plan.sends:
            sent += clients.closed(PAIRS_IN_FLIGHT, seconds=10, warm_up_s=0).messages
        found = Memory(sent, before, subject.memory_bytes())
    print(found, flush=True)
    return found
