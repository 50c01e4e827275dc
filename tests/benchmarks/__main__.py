"""`make bench`: measures Roomlog and other servers in one run, and writes docs/benchmarks.md.

python -m tests.benchmarks [--suite NAME]... [--only SERVER]... [--rounds N] [--seconds S] [--long] [--data DIR]
"""

import argparse
import tempfile
import time
from pathlib import Path

from tests.benchmarks import document, growth, herd, suites

SUITES = {
    "fan_out": suites.fan_out,
    "paced": suites.paced,
    "sends": suites.sends,
    "idle": suites.idle,
    "growth": growth.growth,
    "workers": growth.workers,
    "memory": growth.memory,
    "herd": herd.herd,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench ARGS=", description="Measure and compare.")
    parser.add_argument(
        "--suite", action="append", choices=SUITES, help="run only this suite (repeatable); writes no document"
    )
    parser.add_argument(
        "--only", action="append", help="run only this server, by class (repeatable); writes no document"
    )
    parser.add_argument("--sizes", help="only rooms of these sizes, separated by commas")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of each measurement")
    parser.add_argument("--long", action="store_true", help="grow a room to ten million messages")
    parser.add_argument("--data", type=Path, help="directory in which to keep the databases for the next run")
    options = parser.parse_args()
    suites.ONLY = options.only
    with tempfile.TemporaryDirectory(prefix="roomlog-bench-", ignore_cleanup_errors=True) as fresh:
        directory = (options.data or Path(fresh)).resolve()
        directory.mkdir(exist_ok=True)
        plan = suites.Plan(directory=directory, rounds=options.rounds, seconds=options.seconds)
        if options.long:
            plan = plan._replace(messages=(*plan.messages, 10_000_000))
        if options.sizes:
            plan = plan._replace(sizes=[int(size) for size in options.sizes.split(",")])
        found = {}
        for name in options.suite or SUITES:
            begun = time.monotonic()
            print(f"\n== {name}")
            found[name] = SUITES[name](plan)
            print(f"   {time.monotonic() - begun:.0f} s")
    if not options.suite and not options.only:
        document.write(found, plan)


if __name__ == "__main__":
    main()
