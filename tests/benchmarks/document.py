"""Writes what was measured to docs/benchmarks.md, with a plot beside it."""

import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import pygal

from tests.benchmarks.growth import Growth
from tests.benchmarks.subjects import (
    ROOT,
    Broadcast,
    Floor,
    PlainPostgresql,
    PlainRedis,
    PlainStored,
    Roomlog,
    RoomlogPostgresql,
)
from tests.benchmarks.suites import LOAD, PACED_PER_S, PAIRS, PAIRS_IN_FLIGHT, Plan, Table

DOCUMENT = ROOT / "docs" / "benchmarks.md"
PLOT = ROOT / "docs" / "benchmarks.svg"
PACKAGES = ("django", "channels", "channels-redis", "djangochannelsrestframework", "uvicorn", "uvloop", "websockets",
            "msgspec", "psycopg", "redis")  # fmt: skip

HEAD = """# Benchmarks

Written by `make bench`, which starts every server itself, measures them in turns, and takes the median of
{rounds} rounds of {seconds:g} s. One core has the server and all that works for it (Redis, PostgreSQL), the other the
load generator (`tests/benchmarks/load.c`). Bodies of 100 bytes. Machines differ, and so do minutes of one machine:
what counts are the ratios within a run.

{date} · {cpu}, 2 cores of it · Linux {kernel} · Python {python} · {packages}

SQLite commits with `synchronous=FULL`, PostgreSQL with `synchronous_commit=on`; the plain way does, too.
"""


class Target(NamedTuple):
    """A ratio that is promised, and how to find it."""

    what: str
    wanted: float
    is_least: bool  # else the most
    found: float | None

    @property
    def aim(self) -> str:
        return f"{'at least' if self.is_least else 'at most'} {self.wanted:g}"

    @property
    def result(self) -> str:
        if self.found is None:
            return "not measured"
        is_met = self.found >= self.wanted if self.is_least else self.found <= self.wanted
        return number(self.found, 2) + ("" if is_met else " (missed)")


def write(found: dict[str, Any], plan: Plan) -> None:
    sections = [
        HEAD.format(
            rounds=plan.rounds,
            seconds=plan.seconds,
            date=datetime.now(UTC).strftime("%Y-%m-%d"),
            cpu=_cpu(),
            kernel=platform.release(),
            python=platform.python_version(),
            packages=", ".join(f"{name} {version(name)}" for name in PACKAGES),
        ),
        _targets(found),
        _fan_out(found["fan_out"]),
        _paced(found["paced"]),
        _sends(found["sends"]),
        _idle(found["idle"]),
        _growth(found["growth"]),
        _workers(found["workers"]),
        _memory(found["memory"]),
    ]
    DOCUMENT.write_text("\n".join(sections))
    _plot(found["paced"])
    print(f"\nwrote {DOCUMENT.relative_to(ROOT)}")


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines) + "\n"


def number(value: float | None, places: int = 0) -> str:
    return "" if value is None else f"{value:,.{places}f}"


# -- sections -----------------------------------------------------------------------------------------------------


def targets(found: dict[str, Any]) -> list[Target]:
    """What is promised, on SQLite where nothing else is said."""
    fan_out, paced, sends = found["fan_out"], found["paced"], found["sends"]
    rate, cost, late = "deliveries_per_s", "cpu_us_per_delivery", "p99_us"
    least = []
    for size, over_tutorial, over_floor in ((100, 60, 1.8), (1_000, 150, 2.5), (5_000, 90, 1.1)):
        for other, wanted in ((PlainRedis.name, over_tutorial), (Floor.name, over_floor)):
            ratio = fan_out.ratio(Roomlog.name, other, size, rate)
            least.append((f"deliveries a second, {size:,} followers, to: {other}", wanted, ratio))
    per_s = "messages_per_s"
    least += [
        (
            "durable sends a second, to: " + PlainStored.name,
            6,
            sends.ratio(Roomlog.name, PlainStored.name, PAIRS, per_s),
        ),
        (
            "durable sends a second on PostgreSQL, to: " + PlainPostgresql.name,
            15,
            sends.ratio(RoomlogPostgresql.name, PlainPostgresql.name, PAIRS, per_s),
        ),
        ("one client in sequence, to: " + PlainStored.name, 1.2, sends.ratio(Roomlog.name, PlainStored.name, 1, per_s)),
        (
            "one client in sequence on PostgreSQL, to: " + PlainPostgresql.name,
            1.5,
            sends.ratio(RoomlogPostgresql.name, PlainPostgresql.name, 1, per_s),
        ),
    ]
    late_at_100 = paced.median(Roomlog.name, 100, late)
    idle = next((row for row in found["idle"] if row.name == Roomlog.name), None)
    most = [
        (
            "CPU of a paced delivery, 1,000 followers, to the floor's",
            1.5,
            paced.ratio(Roomlog.name, Floor.name, 1_000, cost),
        ),
        (
            "p99 of a paced delivery, 1,000 followers, to the floor's",
            3,
            paced.ratio(Roomlog.name, Floor.name, 1_000, late),
        ),
        ("p99 of a paced delivery, 100 followers, ms", 6, late_at_100 and late_at_100 / 1_000),
        ("growth of a paced delivery's CPU from 100 to 5,000 followers, to the floor's", 1.5, _growth_ratio(paced)),
        ("KB of memory for an idle socket", 25, idle and idle.bytes_per_socket / 1_000),
        ("seconds in which 5,000 members connect and sync", 10, idle and idle.connect_s),
    ]
    for name, deed in ((Roomlog.name, "send"), (Roomlog.name, "page of history")):
        rows = [row for row in found["growth"] if (row.name, row.deed) == (name, deed)]
        most.append((f"CPU of a {deed}, a million messages to an empty room", 1.3, _by_size(rows)))
    return [Target(what, wanted, True, value) for what, wanted, value in least] + [
        Target(what, wanted, False, value) for what, wanted, value in most
    ]


def _targets(found: dict[str, Any]) -> str:
    rows = [[target.what, target.aim, target.result] for target in targets(found)]
    return "## What is aimed at\n\n" + table(["Ratio", "Aim", "Found"], rows)


def _fan_out(results: Table) -> str:
    load = "; ".join(f"{size:,}: {senders} × {each}" for size, (senders, each) in LOAD.items())
    text = (
        "## Fan-out, at most\n\nOne room, closed loop: a message leaves the window when all have it. "
        f"Followers: senders × messages in flight: {load}. Deliveries a second.\n\n"
    )
    sizes = results.sizes()
    rows = [
        [name, *(number(results.median(name, size, "deliveries_per_s")) for size in sizes)] for name in results.names()
    ]
    return text + table(["", *(f"{size:,}" for size in sizes)], rows)


def _paced(results: Table) -> str:
    text = (
        f"## Fan-out, paced\n\nOpen loop: {PACED_PER_S:g} messages a second. CPU of the server's side for each "
        "delivery (µs), and p50 / p99 of the time to it (ms).\n\n"
    )
    sizes = results.sizes()

    def cell(name: str, size: int) -> str:
        cost = results.median(name, size, "cpu_us_per_delivery")
        if cost is None:
            return ""
        p50, p99 = (results.median(name, size, field) or 0 for field in ("p50_us", "p99_us"))
        return f"{cost:.1f} µs, {p50 / 1000:.2f} / {p99 / 1000:.2f} ms"

    rows = [[name, *(cell(name, size) for size in sizes)] for name in results.names()]
    plot = "\n![CPU of a delivery against the followers of the room](benchmarks.svg)\n"
    return text + table(["", *(f"{size:,}" for size in sizes)], rows) + plot


def _sends(results: Table) -> str:
    text = (
        f"## Durable sends\n\n{PAIRS} rooms of two, {PAIRS_IN_FLIGHT} messages in flight in each; and one client in "
        "sequence. A message counts when both have it. The plain way over Redis loses some at this load: they leave "
        "the window for good.\n\n"
    )
    fields = ("messages_per_s", "cpu_us_per_message", "p50_us", "p99_us")
    rows = []
    for name in results.names():
        many, one = ([results.median(name, size, field) for field in fields] for size in (PAIRS, 1))
        rows.append([name, *_sent(many), *_sent(one)])
    head = ["", "sends/s", "CPU µs", "p50 / p99 ms", "in sequence/s", "CPU µs", "p50 / p99 ms"]
    return text + table(head, rows)


def _sent(values: Sequence[float | None]) -> list[str]:
    rate, cpu, p50, p99 = values
    return [number(rate), number(cpu), f"{(p50 or 0) / 1000:.2f} / {(p99 or 0) / 1000:.2f}"]


def _idle(rows: Sequence[Any]) -> str:
    text = (
        "## Idle sockets\n\nSigned in and following a room. Memory is the server's, beyond what it had with a hundred "
        "sockets; `start` is until it answers, with its brokers.\n\n"
    )
    head = ["", "start s", "memory then, MB", "sockets", "KB each", "all ready after s"]
    return text + table(
        head,
        [
            [row.name, number(row.start_s, 1), number(row.start_bytes / 1e6), number(row.sockets),
             number(row.bytes_per_socket / 1_000, 1), number(row.connect_s, 1)]
            for row in rows
        ],
    )  # fmt: skip


def _growth(rows: Sequence[Growth]) -> str:
    text = (
        "## Growth\n\nWhat a deed costs by what the room holds (a resume: by the gap). CPU of the server's side, and "
        "the median time of a send, the mean of the others.\n\n"
    )
    keys = dict.fromkeys((row.deed, row.name, row.size) for row in rows)
    lines = []
    for deed, name, size in keys:
        same = [row for row in rows if (row.deed, row.name, row.size) == (deed, name, size)]
        cpu_us, ms = (
            sorted(values)[len(values) // 2] for values in zip(*((r.cpu_us, r.ms) for r in same), strict=True)
        )
        lines.append([deed, name, number(size), number(cpu_us), number(ms, 2)])
    return text + table(["deed", "", "messages", "CPU µs", "ms"], lines)


def _workers(rows: Sequence[Any]) -> str:
    text = (
        f"## Workers\n\nThe same {PAIRS} rooms on processes that share the one core, with PostgreSQL and Redis: what "
        "it costs that they must hear of each other.\n\n"
    )
    lines = [[row.workers, number(row.sends_per_s), number(row.cpu_us_per_send)] for row in rows]
    return text + table(["workers", "sends/s", "CPU µs a send"], lines)


def _memory(row: Any) -> str:
    return (
        f"## Memory\n\nAfter {row.sends:,} sends the server had {row.after_bytes / 1e6:,.0f} MB, before them "
        f"{row.before_bytes / 1e6:,.0f} MB.\n"
    )


# -- figures ------------------------------------------------------------------------------------------------------


def _growth_ratio(paced: Table) -> float | None:
    def growth(name: str) -> float | None:
        few, many = (paced.median(name, size, "cpu_us_per_delivery") for size in (100, 5_000))
        return many / few if few and many else None

    ours, floor = growth(Roomlog.name), growth(Floor.name)
    return ours / floor if ours and floor else None


def _by_size(rows: Sequence[Growth]) -> float | None:
    """The largest to the empty room, by medians."""
    if not rows:
        return None
    sizes = sorted({row.size for row in rows})
    costs = [sorted(row.cpu_us for row in rows if row.size == size) for size in (sizes[0], sizes[-1])]
    empty, full = (values[len(values) // 2] for values in costs)
    return full / empty


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _plot(paced: Table) -> None:
    chart = pygal.Line(
        title="CPU µs of a delivery, by followers",
        js=(),
        logarithmic=True,
        legend_at_bottom=True,
        width=900,
        height=500,
        print_values=True,
        value_formatter=lambda value: f"{value:.1f}",
    )
    chart.x_labels = [f"{size:,}" for size in paced.sizes()]
    for name in (PlainRedis.name, Broadcast.name, Floor.name, RoomlogPostgresql.name, Roomlog.name):
        chart.add(name, [paced.median(name, size, "cpu_us_per_delivery") for size in paced.sizes()])
    chart.render_to_file(str(PLOT))
