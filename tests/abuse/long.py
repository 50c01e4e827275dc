"""A long mix of all attacks, two at a time, beside people who go on chatting. Writes docs/abuse.md.

Run it with `make abuse-long`: it takes `MINUTES` (60), and is not part of `make test`.
"""

import os
import platform
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from django.conf import settings
from django.db import connection

from accounts.models import User
from messaging.models import Message
from tests.abuse.attackers import Report, attacking
from tests.abuse.bystander import Memory, acknowledgements, p99
from tests.abuse.cases import CHATTING, FLOODS, HTTP, MIB, READS, Case, make_room, make_target
from tests.conftest import StartServer, watched
from tests.faults.conftest import running_redis
from tests.people import Person, sign_in
from tests.servers import Server

MINUTES = float(os.environ.get("MINUTES", "60"))
ROUND_S = 15.0
SEED = 13
DOCUMENT = settings.BASE_DIR / "docs/abuse.md"
CASES = [*FLOODS, *READS, *HTTP]


class Figures:
    """What one attack did, in all rounds in which it took part, and how long the bystanders waited in them."""

    def __init__(self) -> None:
        self.rounds = 0
        self.report = Report()
        self.waits: list[float] = []

    def row(self, name: str) -> str:
        report, waits = self.report, sorted(self.waits)
        closes = ", ".join(f"{code}: {count:,}" for code, count in sorted(report.closes.items()) if code) or "–"
        cells = [
            name,
            str(self.rounds),
            f"{report.connections:,}",
            f"{report.sent_frames:,}" if report.sent_frames else "–",
            f"{report.sent_bytes / MIB:,.1f}",
            f"{report.received_bytes / MIB:,.1f}",
            closes,
            f"{report.cuts:,}",
            *(f"{wait * 1000:.1f}" for wait in (waits[len(waits) // 2], p99(waits), waits[-1])),
        ]
        return f"| {' | '.join(cells)} |"


@pytest.fixture
def server(start_server: StartServer) -> Iterator[Server]:
    """A server with the default limits; with Redis on PostgreSQL."""
    with running_redis() as redis:
        layer = {"REDIS_URL": redis.url} if connection.vendor == "postgresql" else {}
        started = start_server(ROOMLOG_RATE_LIMITS="on", FORWARDED_ALLOW_IPS="10.0.0.1", **layer)
        with watched(started):
            yield started


def test_it_withstands_a_long_mix(server: Server, people: list[Person]) -> None:
    chatting, attacking_people = people[:CHATTING], people[CHATTING:]
    room = make_room(chatting)
    targets = {case.name: make_target(server, attacking_people, case) for case in CASES}
    alone = acknowledgements(server, chatting, room, seconds=ROUND_S)
    figures = {case.name: Figures() for case in CASES}
    every_wait: list[float] = []
    memory, chance, end = Memory(server), random.Random(SEED), time.monotonic() + MINUTES * 60
    with memory.watched():
        while time.monotonic() < end:
            pair: list[Case] = chance.sample(CASES, 2)
            first, second = pair
            tokens = [person.token for person in signed_in(attacking_people)]
            with (
                attacking(first.attack, targets[first.name]._replace(tokens=tokens), processes=1) as one,
                attacking(second.attack, targets[second.name]._replace(tokens=tokens), processes=1) as two,
            ):
                waits = acknowledgements(server, signed_in(chatting), room, seconds=ROUND_S)
            every_wait += waits
            for case, report in zip(pair, (one, two), strict=True):
                figures[case.name].rounds += 1
                figures[case.name].report.add(report)
                figures[case.name].waits += waits
            print(f"{first.name} and {second.name}: p99 {p99(waits) * 1000:.1f} ms", flush=True)
        time.sleep(5)
    last = Memory(server).first
    acknowledged = len(alone) + len(every_wait)
    stored = Message.objects.filter(room_id=room).count()
    DOCUMENT.write_text(document(sorted(alone), sorted(every_wait), figures, memory, last, acknowledged))

    assert stored == acknowledged
    assert p99(sorted(every_wait)) < 0.1


def signed_in(people: list[Person]) -> list[Person]:
    """Returns `people` with new tokens, because an access token is valid for an hour only."""
    return [sign_in(user) for user in User.objects.filter(id__in=[person.id for person in people])]


def document(
    alone: list[float], waits: list[float], figures: dict[str, Figures], memory: Memory, last: int, acknowledged: int
) -> str:
    rows = "\n".join(each.row(name) for name, each in sorted(figures.items()) if each.rounds)
    total = Report()
    for each in figures.values():
        total.add(each.report)
    sent, received = f"{total.sent_bytes / MIB:,.0f} MiB", f"{total.received_bytes / MIB:,.0f} MiB"
    machine = f"{connection.vendor}, Python {platform.python_version()}, {os.cpu_count()} processors"
    before, most, after = (f"{size / MIB:.0f} MiB" for size in (memory.first, memory.most, last))
    return f"""# A long mix of attacks

`make abuse-long` runs the attacks of `tests/abuse`, two of them at a time, against one server process with the default
limits, while {CHATTING} people go on chatting. Their acknowledgements are timed. Attackers and bystanders share the
machine with the server.

- {datetime.now(UTC):%Y-%m-%d}, {MINUTES:.0f} minutes, {machine}
- {total.connections:,} connections, {total.sent_frames:,} frames and {sent} from the attackers, {received} to them,
  {total.cuts:,} connections cut
- {acknowledged:,} messages acknowledged, all of them in the log
- acknowledgements without an attack: {times(alone)}
- acknowledgements with the attacks: {times(waits)}
- memory of the server: {before} at first, {most} at most, {after} at the end

| Attack | Rounds | Connections | Frames | MiB sent | MiB received | Close codes | Cut | p50 ms | p99 ms | Longest ms |
|---|---|---|---|---|---|---|---|---|---|---|
{rows}

A round is {ROUND_S:.0f} s. The waits are those of the bystanders in all rounds in which the attack took part, whatever
the other attack was. *Cut* counts connections that the server ended while the attacker went on sending.
"""


def times(waits: list[float]) -> str:
    middle, high, longest = (f"{wait * 1000:.1f} ms" for wait in (waits[len(waits) // 2], p99(waits), waits[-1]))
    return f"p50 {middle}, p99 {high}, longest {longest}"
