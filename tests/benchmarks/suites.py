"""The suites. Each measures its servers in turns, so that a slow minute of the machine affects all of them."""

import shutil
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple, TypeVar

from tests.benchmarks.generator import Result, Socket, compiler
from tests.benchmarks.subjects import (
    PEOPLE,
    SIZES,
    Broadcast,
    Floor,
    Plain,
    PlainPostgresql,
    PlainRedis,
    PlainStored,
    PlainStoredRedis,
    Roomlog,
    RoomlogPostgresql,
    Subject,
)

# By the followers of the room: senders, and messages that each keeps in flight.
LOAD = {10: (10, 2), 100: (10, 2), 1_000: (10, 1), 5_000: (4, 1)}
PACED_PER_S = 10.0
PAIRS, PAIRS_IN_FLIGHT = 50, 4

ONLY: list[str] | None = None  # class names; None for all

Kind = TypeVar("Kind", bound=Subject)
Key = tuple[str, int]  # name of the server, size


class Plan(NamedTuple):
    """How long to measure, and where the servers keep their files."""

    directory: Path
    rounds: int
    seconds: float
    sizes: Sequence[int] = SIZES
    messages: Sequence[int] = (0, 1_000, 100_000, 1_000_000)
    gaps: Sequence[int] = (0, 1_000, 10_000, 100_000)
    sends: int = 1_000_000


class Table:
    """Measurements by server and size, over the rounds."""

    def __init__(self) -> None:
        self._found: defaultdict[Key, list[Result]] = defaultdict(list)

    def add(self, name: str, size: int, result: Result) -> None:
        self._found[name, size].append(result)
        exact = "" if result.is_exact else f"  NOT EXACT {result}"
        print(
            f"{name:46} {size:>7,} {result.deliveries_per_s:>11,.0f} deliv./s {result.messages_per_s:>7,.0f} sends/s"
            f" {result.cpu_us_per_delivery:>8.2f} µs/delivery {result.cpu_us_per_message:>9.1f} µs/send"
            f"  p50 {result.p50_us / 1000:.2f} p99 {result.p99_us / 1000:.2f} ms{exact}",
            flush=True,
        )

    def names(self) -> list[str]:
        return list(dict.fromkeys(name for name, _ in self._found))

    def sizes(self) -> list[int]:
        return sorted({size for _, size in self._found})

    def median(self, name: str, size: int, field: str) -> float | None:
        """Returns the median of one field over the rounds, or None if it was not measured."""
        results = self._found.get((name, size))
        return median(getattr(result, field) for result in results) if results else None

    def ratio(self, of: str, to: str, size: int, field: str) -> float | None:
        above, below = self.median(of, size, field), self.median(to, size, field)
        return above / below if above and below else None


@contextmanager
def running(kind: type[Kind], plan: Plan) -> Iterator[Kind]:
    """Yields a running server of this kind. Its files stay for the next round."""
    directory = plan.directory / kind.__name__
    directory.mkdir(exist_ok=True)
    subject = kind(directory)
    try:
        subject.start()
        yield subject
    finally:
        subject.stop()


def available(kinds: Sequence[type[Subject]]) -> list[type[Subject]]:
    """Returns the kinds that this machine can run, and prints the others."""
    if ONLY:
        kinds = [kind for kind in kinds if kind.__name__ in ONLY]
    missing: list[type[Subject]] = [] if compiler() else [Floor]
    if not shutil.which("redis-server"):
        missing += [PlainRedis, PlainStoredRedis, PlainPostgresql, RoomlogPostgresql]
    for kind in missing:
        if kind in kinds:
            print(f"left out, because {'a C compiler' if kind is Floor else 'redis-server'} is missing: {kind.name}")
    return [kind for kind in kinds if kind not in missing]


def fan_out(plan: Plan) -> Table:
    """Measures, in a closed loop, the highest rate of deliveries in one room."""
    table = Table()
    kinds = available([Floor, Broadcast, Plain, PlainRedis, RoomlogPostgresql, Roomlog])
    for _ in range(plan.rounds):
        for size in plan.sizes:
            for kind in kinds:
                senders, in_flight = LOAD[size]
                with running(kind, plan) as subject, subject.generator(subject.room(size, senders)) as clients:
                    clients.connect()
                    table.add(kind.name, size, clients.closed(in_flight, seconds=plan.seconds))
    return table


def paced(plan: Plan) -> Table:
    """Measures, in an open loop at a fixed rate, the CPU time and the latency of a delivery."""
    table = Table()
    for _ in range(plan.rounds):
        for size in plan.sizes:
            for kind in available([Broadcast, PlainRedis, RoomlogPostgresql, Floor, Roomlog]):
                if kind is PlainRedis and size > 1_000:
                    continue  # cannot keep the pace
                with running(kind, plan) as subject, subject.generator(subject.room(size, LOAD[size][0])) as clients:
                    clients.connect()
                    table.add(kind.name, size, clients.paced(PACED_PER_S, seconds=plan.seconds))
    return table


STORES = [PlainStored, PlainStoredRedis, PlainPostgresql, RoomlogPostgresql, Roomlog]


def sends(plan: Plan) -> Table:
    """Measures durable sends: in fifty rooms of two, one of whom sends; and by one client in sequence (size 1)."""
    table = Table()
    for _ in range(plan.rounds):
        for rooms, in_flight in ((PAIRS, PAIRS_IN_FLIGHT), (1, 1)):
            for kind in available(STORES):
                with running(kind, plan) as subject, subject.generator(subject.pairs(rooms)) as clients:
                    clients.connect()
                    table.add(kind.name, rooms, clients.closed(in_flight, seconds=plan.seconds))
    return table


class Idle(NamedTuple):
    """The cost of sockets that send nothing."""

    name: str
    start_s: float
    start_bytes: int
    sockets: int
    bytes_per_socket: float
    connect_s: float


def idle(plan: Plan) -> list[Idle]:
    """Measures the memory for each socket that is signed in and follows a room, and the time in which they connect."""
    found = []
    for kind in available([Plain, PlainRedis, RoomlogPostgresql, Roomlog]):
        for sockets in (PEOPLE, 2 * PEOPLE) if issubclass(kind, Roomlog) else (PEOPLE,):
            begun = time.monotonic()
            with running(kind, plan) as subject:
                start_s = time.monotonic() - begun
                crowd = crowd_of(subject, sockets)
                with subject.generator(crowd[:100]) as early, subject.generator(crowd[100:]) as clients:
                    early.connect()  # so that what the server loads for its first sockets is not counted
                    before = subject.memory_bytes()
                    connect_s = clients.connect()
                    clients.hold(2)
                    grown = subject.memory_bytes() - before
                found.append(Idle(kind.name, start_s, before, sockets, grown / (sockets - 100), connect_s))
                print(found[-1], flush=True)
    return found


def crowd_of(subject: Subject, sockets: int) -> list[Socket]:
    if isinstance(subject, Roomlog):
        room = subject.plan["rooms"][str(PEOPLE)]
        return [subject.socket(room, n % PEOPLE, action="sync") for n in range(sockets)]
    return subject.room(sockets, 0)
