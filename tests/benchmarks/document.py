"""Writes the measurements to docs/benchmarks.md, and a plot beside it."""

import platform
import textwrap
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import pygal
from pygal.style import Style

from tests.benchmarks.growth import Growth
from tests.benchmarks.herd import HERD, MEMBERS, MISSED, Herd, HerdPostgresql
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
WIDTH = 120  # characters of a line, as in the other documents
PACKAGES = ("django", "channels", "channels-redis", "djangochannelsrestframework", "uvicorn", "uvloop", "websockets",
            "msgspec", "psycopg", "redis")  # fmt: skip

HEAD = """# Benchmarks

`make bench` writes this file. It starts every server itself, measures the servers in turns, and takes the median of
{rounds} rounds of {seconds:g} s. The server and everything that works for it (Redis, PostgreSQL) run on one core, the
load generator (`tests/benchmarks/load.c`) on the other. Each message has a body of 100 bytes. Machines differ, and one
machine differs from minute to minute: compare the ratios within a run, not the figures of different runs.

{date} · {cpu}, 2 of its cores · Linux {kernel} · Python {python} · {packages}

SQLite commits with `synchronous=FULL`, PostgreSQL with `synchronous_commit=on`, for the plain Channels servers too.
"""


class Target(NamedTuple):
    """A promised value, and what was measured."""

    what: str
    wanted: float
    is_least: bool  # otherwise `wanted` is the most
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
        paragraphs(
            HEAD.format(
                rounds=plan.rounds,
                seconds=plan.seconds,
                date=datetime.now(UTC).strftime("%Y-%m-%d"),
                cpu=_cpu(),
                kernel=".".join(platform.release().split(".")[:2]),
                python=platform.python_version(),
                packages=", ".join(f"{name} {version(name)}" for name in PACKAGES),
            )
        ),
        _targets(found),
        _fan_out(found["fan_out"]),
        _paced(found["paced"]),
        _sends(found["sends"]),
        _idle(found["idle"]),
        _herd(found["herd"]),
        _growth(found["growth"]),
        _workers(found["workers"]),
        _memory(found["memory"]),
    ]
    DOCUMENT.write_text("\n".join(sections))
    PLOT.write_bytes(plot(found["fan_out"]))
    print(f"\nwrote {DOCUMENT.relative_to(ROOT)}")


def paragraphs(text: str) -> str:
    """Returns `text` with its paragraphs wrapped to the width of the documents."""
    wrapper = textwrap.TextWrapper(WIDTH, break_long_words=False, break_on_hyphens=False)
    return "\n\n".join(wrapper.fill(part) for part in text.split("\n\n")) + "\n"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines) + "\n"


def number(value: float | None, places: int = 0) -> str:
    return "" if value is None else f"{value:,.{places}f}"


# -- sections -----------------------------------------------------------------------------------------------------


def targets(found: dict[str, Any]) -> list[Target]:
    """Returns what is promised, on SQLite unless PostgreSQL is named."""
    fan_out, paced, sends = found["fan_out"], found["paced"], found["sends"]
    rate, cost, late = "deliveries_per_s", "cpu_us_per_delivery", "p99_us"
    least = []
    for size, over_tutorial, over_floor in ((100, 60, 1.8), (1_000, 150, 2.5), (5_000, 90, 1.1)):
        for other, wanted in ((PlainRedis.name, over_tutorial), (Floor.name, over_floor)):
            ratio = fan_out.ratio(Roomlog.name, other, size, rate)
            least.append((f"deliveries per second, {size:,} followers, compared with: {other}", wanted, ratio))
    per_s = "messages_per_s"
    least += [
        (
            "durable sends per second, compared with: " + PlainStored.name,
            6,
            sends.ratio(Roomlog.name, PlainStored.name, PAIRS, per_s),
        ),
        (
            "durable sends per second on PostgreSQL, compared with: " + PlainPostgresql.name,
            15,
            sends.ratio(RoomlogPostgresql.name, PlainPostgresql.name, PAIRS, per_s),
        ),
        (
            "sequential sends of one client, compared with: " + PlainStored.name,
            1.2,
            sends.ratio(Roomlog.name, PlainStored.name, 1, per_s),
        ),
        (
            "sequential sends of one client on PostgreSQL, compared with: " + PlainPostgresql.name,
            1.5,
            sends.ratio(RoomlogPostgresql.name, PlainPostgresql.name, 1, per_s),
        ),
    ]
    late_at_100 = paced.median(Roomlog.name, 100, late)
    idle = next((row for row in found["idle"] if row.name == Roomlog.name), None)
    back = [row for row in found["herd"] if (row.name, row.action, row.spread_s) == (HerdPostgresql.name, "sync", 1)]
    back_s = median(row.arrival.seconds for row in back) if back else None
    most = [
        (
            "CPU per paced delivery, 1,000 followers, compared with: " + Floor.name,
            1.5,
            paced.ratio(Roomlog.name, Floor.name, 1_000, cost),
        ),
        (
            "p99 latency of a paced delivery, 1,000 followers, compared with: " + Floor.name,
            3,
            paced.ratio(Roomlog.name, Floor.name, 1_000, late),
        ),
        ("p99 latency of a paced delivery, 100 followers, in ms", 6, late_at_100 and late_at_100 / 1_000),
        (
            "growth of the CPU per paced delivery from 100 to 5,000 followers, compared with: " + Floor.name,
            1.5,
            _growth_ratio(paced),
        ),
        ("memory per idle socket, in KB", 25, idle and idle.bytes_per_socket / 1_000),
        ("time in which 5,000 members connect and sync, in s", 10, idle and idle.connect_s),
        ("time in which 10,000 sockets come back within a second and are level, on PostgreSQL, in s", 15, back_s),
    ]
    for name, deed in ((Roomlog.name, "send"), (Roomlog.name, "page of history")):
        rows = [row for row in found["growth"] if (row.name, row.deed) == (name, deed)]
        what = f"CPU per {deed}, a room of a million messages compared with an empty room"
        most.append((what, 1.3, _by_size(rows)))
    return [Target(what, wanted, True, value) for what, wanted, value in least] + [
        Target(what, wanted, False, value) for what, wanted, value in most
    ]


def _targets(found: dict[str, Any]) -> str:
    rows = [[target.what, target.aim, target.result] for target in targets(found)]
    return "## Targets\n\n" + table(["What", "Target", "Measured"], rows)


def _fan_out(results: Table) -> str:
    load = "; ".join(f"{size:,}: {senders} × {each}" for size, (senders, each) in LOAD.items())
    text = (
        "## Maximum fan-out\n\nOne room, closed loop: a message is in flight until every follower has received it. "
        f"Senders × messages in flight for each, by the number of followers: {load}. The figures are deliveries per "
        "second."
    )
    sizes = results.sizes()
    rows = [
        [name, *(number(results.median(name, size, "deliveries_per_s")) for size in sizes)] for name in results.names()
    ]
    picture = "\n![Deliveries per second, by the number of followers of the room](benchmarks.svg)\n"
    return paragraphs(text) + "\n" + table(["", *(f"{size:,}" for size in sizes)], rows) + picture


def _paced(results: Table) -> str:
    text = (
        f"## Paced fan-out\n\nOpen loop: {PACED_PER_S:g} messages per second. The figures are the CPU time per "
        "delivery on the server's side (µs), and the p50 / p99 latency of a delivery (ms)."
    )
    sizes = results.sizes()

    def cell(name: str, size: int) -> str:
        cost = results.median(name, size, "cpu_us_per_delivery")
        if cost is None:
            return ""
        p50, p99 = (results.median(name, size, field) or 0 for field in ("p50_us", "p99_us"))
        return f"{cost:.1f} µs, {p50 / 1000:.2f} / {p99 / 1000:.2f} ms"

    rows = [[name, *(cell(name, size) for size in sizes)] for name in results.names()]
    return paragraphs(text) + "\n" + table(["", *(f"{size:,}" for size in sizes)], rows)


def _sends(results: Table) -> str:
    text = (
        f"## Durable sends\n\n{PAIRS} rooms of two members, with {PAIRS_IN_FLIGHT} messages in flight in each; and one "
        "client that sends in sequence. A message counts when both members have received it. The plain Channels "
        "servers on Redis lose some messages at this load; a lost message keeps its place in flight until the end of "
        "the measurement."
    )
    fields = ("messages_per_s", "cpu_us_per_message", "p50_us", "p99_us")
    rows = []
    for name in results.names():
        many, one = ([results.median(name, size, field) for field in fields] for size in (PAIRS, 1))
        rows.append([name, *_sent(many), *_sent(one)])
    head = ["", "sends/s", "CPU µs", "p50 / p99 ms", "in sequence/s", "CPU µs", "p50 / p99 ms"]
    return paragraphs(text) + "\n" + table(head, rows)


def _sent(values: Sequence[float | None]) -> list[str]:
    rate, cpu, p50, p99 = values
    return [number(rate), number(cpu), f"{(p50 or 0) / 1000:.2f} / {(p99 or 0) / 1000:.2f}"]


def _idle(rows: Sequence[Any]) -> str:
    text = (
        "## Idle sockets\n\nEach socket is signed in and follows a room. The start includes that of the brokers, and "
        "lasts until the server answers. The memory per socket is what the server uses beyond its memory with a "
        "hundred sockets."
    )
    head = ["", "start, s", "memory with 100 sockets, MB", "sockets", "KB per socket", "all ready after, s"]
    return paragraphs(text) + "\n" + table(
        head,
        [
            [row.name, number(row.start_s, 1), number(row.start_bytes / 1e6), number(row.sockets),
             number(row.bytes_per_socket / 1_000, 1), number(row.connect_s, 1)]
            for row in rows
        ],
    )  # fmt: skip


def _herd(rows: Sequence[Herd]) -> str:
    text = (
        f"## A herd comes back\n\n{HERD:,} clients, each a different user with a room of {MEMBERS}, come back to one "
        f"process at random times within the spread. A client is level when it has received `hello`, the reply to its "
        f"`sync` or `join`, and the {MISSED} messages that its room has had. The figures are the time from the first "
        "connection until all are level, the p50 and p99 of the time that one client takes, the CPU time on the "
        "server's side per client, how many were turned away with 4003, and how many connections the kernel reset "
        "because its queue was full. Lost, doubled or misordered events: "
        f"{sum(row.arrival.misordered for row in rows):,}."
    )
    lines = []
    for name, action, spread_s in dict.fromkeys((row.name, row.action, row.spread_s) for row in rows):
        same = [row for row in rows if (row.name, row.action, row.spread_s) == (name, action, spread_s)]
        lines.append(
            [
                *(name, f"`{action}`", number(spread_s)),
                number(median(row.arrival.seconds for row in same), 1),
                number(median(row.arrival.p50_us for row in same) / 1e6, 2),
                number(median(row.arrival.p99_us for row in same) / 1e6, 2),
                number(median(row.cpu_s * 1e6 / row.arrival.sockets for row in same)),
                number(median(row.arrival.refused for row in same)),
                number(median(row.arrival.reset for row in same)),
            ]
        )
    head = ["", "action", "spread, s", "all level after, s", "p50, s", "p99, s", "CPU µs", "turned away", "reset"]
    return paragraphs(text) + "\n" + table(head, lines)


def _growth(rows: Sequence[Growth]) -> str:
    text = (
        "## Growth\n\nThe cost of an operation by the number of messages in the room (of a resume: in the gap). CPU is "
        "the time on the server's side; ms is the median time of a send, and the mean time of the other operations."
    )
    keys = dict.fromkeys((row.deed, row.name, row.size) for row in rows)
    lines = []
    for deed, name, size in keys:
        same = [row for row in rows if (row.deed, row.name, row.size) == (deed, name, size)]
        cpu_us, ms = (
            sorted(values)[len(values) // 2] for values in zip(*((r.cpu_us, r.ms) for r in same), strict=True)
        )
        lines.append([deed, name, number(size), number(cpu_us), number(ms, 2)])
    return paragraphs(text) + "\n" + table(["operation", "", "messages", "CPU µs", "ms"], lines)


def _workers(rows: Sequence[Any]) -> str:
    text = (
        f"## Workers\n\nThe same {PAIRS} rooms on several processes that share the one core, with PostgreSQL and "
        "Redis. The difference is the cost of keeping each other informed."
    )
    lines = [[row.workers, number(row.sends_per_s), number(row.cpu_us_per_send)] for row in rows]
    return paragraphs(text) + "\n" + table(["workers", "sends/s", "CPU µs per send"], lines)


def _memory(row: Any) -> str:
    return (
        f"## Memory\n\nThe server used {row.before_bytes / 1e6:,.0f} MB before {row.sends:,} sends, and "
        f"{row.after_bytes / 1e6:,.0f} MB after them.\n"
    )


# -- figures ------------------------------------------------------------------------------------------------------


def _growth_ratio(paced: Table) -> float | None:
    def growth(name: str) -> float | None:
        few, many = (paced.median(name, size, "cpu_us_per_delivery") for size in (100, 5_000))
        return many / few if few and many else None

    ours, floor = growth(Roomlog.name), growth(Floor.name)
    return ours / floor if ours and floor else None


def _by_size(rows: Sequence[Growth]) -> float | None:
    """Compares the largest room with the empty one, by medians."""
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


def plot(fan_out: Table) -> bytes:
    """Returns the plot of the README as SVG: deliveries per second of each server, by the size of the room."""
    style = Style(
        background="white",
        plot_background="white",
        colors=("#0369a1", "#94a3b8", "#cbd5e1", "#f59e0b"),
        opacity="1",
        font_family="system-ui, sans-serif",
        title_font_size=30,
        legend_font_size=22,
        label_font_size=24,
        major_label_font_size=24,
        value_font_size=20,
        value_colors=("#0f172a",) * 4,
    )
    chart = pygal.Bar(
        style=style,
        title="Thousand deliveries per second, by followers",
        js=(),
        legend_at_bottom=True,
        legend_at_bottom_columns=2,
        legend_box_size=22,
        truncate_legend=-1,
        show_y_guides=False,
        show_y_labels=False,
        width=900,
        height=500,
        margin=20,
        print_values=True,
        print_values_position="top",
        value_formatter=lambda value: f"{value:,.0f}" if value >= 10 else f"{value:.1f}",
    )
    sizes = [size for size in fan_out.sizes() if size >= 100]
    chart.x_labels = [f"{size:,}" for size in sizes]
    for name in (Roomlog.name, Floor.name, Broadcast.name, PlainRedis.name):
        rates = (fan_out.median(name, size, "deliveries_per_s") for size in sizes)
        chart.add(name, [rate and rate / 1_000 for rate in rates])
    svg: bytes = chart.render()
    return svg
