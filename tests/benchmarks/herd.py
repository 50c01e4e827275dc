"""How fast thousands of sockets come back to one process after they lost their connections."""

import json
from collections.abc import Sequence
from typing import NamedTuple

from tests.benchmarks.generator import Arrival, Socket
from tests.benchmarks.subjects import Roomlog, RoomlogPostgresql
from tests.benchmarks.suites import Plan, available, running

HERD = 10_000
MEMBERS = 50  # of each room
MISSED = 5  # messages of each room
SPREADS_S = (1.0, 10.0)  # after a process was lost; as a process that drains advises
ACTIONS = ("sync", "join")

_SEED = ("tests.benchmarks.seed_herd", *map(str, (HERD, MEMBERS, MISSED)))


class HerdSqlite(Roomlog):
    seed = _SEED


class HerdPostgresql(RoomlogPostgresql):
    redis = False
    name = "Roomlog, PostgreSQL"
    seed = _SEED


class Herd(NamedTuple):
    """A row of the table: who came back, with which action, within which time, and what that took."""

    name: str
    action: str
    spread_s: float
    arrival: Arrival
    cpu_s: float


def herd(plan: Plan) -> list[Herd]:
    """Measures how long a herd takes until each client has received `hello`, its reply, and every missed message."""
    found = []
    directory = plan.directory / "herd"
    directory.mkdir(exist_ok=True)
    for _ in range(plan.rounds):
        for spread_s in SPREADS_S:
            for action in ACTIONS:
                for kind in available([HerdPostgresql, HerdSqlite]):
                    assert issubclass(kind, Roomlog)
                    with running(kind, plan._replace(directory=directory)) as subject:
                        found.append(come_back(subject, action, spread_s))
                        print(found[-1], flush=True)
    return found


def come_back(subject: Roomlog, action: str, spread_s: float) -> Herd:
    sockets = sockets_of(subject.plan["tokens"], subject.plan["rooms"], action=action, members=MEMBERS, missed=MISSED)
    with subject.generator(sockets) as clients:
        before = subject.cpu_s()
        arrival = clients.come_back(spread_s=spread_s)
        return Herd(subject.name, action, spread_s, arrival, subject.cpu_s() - before)


def sockets_of(tokens: Sequence[str], rooms: Sequence[str], *, action: str, members: int, missed: int) -> list[Socket]:
    """Returns a socket of each person, which resumes their room from its beginning. Each `members` people share one."""
    sockets = []
    for number, token in enumerate(tokens):
        room = rooms[number // members]
        resume = {"room": room, "after": 0} if action == "join" else {"rooms": {room: 0}}
        sockets.append(
            Socket(
                header=f"Authorization: Bearer {token}",
                first=json.dumps({"action": action, **resume}),
                ready=f'"seq":{missed},"at"',
                after="0",
            )
        )
    return sockets
