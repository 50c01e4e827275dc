"""Drives the load generator: a C program that it compiles, or a Python program if there is no compiler."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from tests.benchmarks.processes import GENERATOR_CORE

HERE = Path(__file__).parent
FLAGS = ("-O2", "-Wall", "-Werror")
BODY_BYTES = 100


class Socket(NamedTuple):
    """A client: its address and headers, what it sends first, when it is ready, and what frames its messages.

    `after` is the seq that it has, as text. Then its events must go on from there; otherwise from the first that comes.
    """

    group: int = 0
    sends: bool = False
    path: str = "/ws/"
    header: str = ""
    first: str = ""
    ready: str = ""
    prefix: str = ""
    suffix: str = ""
    after: str = ""

    def line(self) -> str:
        return "\t".join(["socket", str(self.group), str(int(self.sends)), *self[2:]])


class Arrival(NamedTuple):
    """How a herd of clients arrived: the seconds until all were ready, and how long each of them took."""

    sockets: int
    seconds: float
    p50_us: float
    p99_us: float
    max_us: float
    refused: int  # times that a client was turned away
    reset: int  # times that the kernel had no room for a client, which came back within a second
    misordered: int  # events that did not follow the one before


class Result(NamedTuple):
    """What the clients received in the measured time, and the CPU time that the server and its brokers spent."""

    deliveries: int
    messages: int
    seconds: float
    p50_us: float
    p99_us: float
    max_us: float
    lost: int
    doubled: int
    misordered: int
    closed: int
    cpu_s: float

    @property
    def deliveries_per_s(self) -> float:
        return self.deliveries / self.seconds

    @property
    def messages_per_s(self) -> float:
        return self.messages / self.seconds

    @property
    def cpu_us_per_delivery(self) -> float:
        return self.cpu_s * 1e6 / max(self.deliveries, 1)

    @property
    def cpu_us_per_message(self) -> float:
        return self.cpu_s * 1e6 / max(self.messages, 1)

    @property
    def is_exact(self) -> bool:
        return not (self.lost or self.doubled or self.misordered or self.closed)


@cache
def compiler() -> str | None:
    return shutil.which("cc") or shutil.which("gcc")


@cache
def compiled(name: str, directory: Path) -> Path | None:
    """Compiles `<name>.c` in `directory`. Returns the program, or None if there is no compiler."""
    if (cc := compiler()) is None:
        return None
    program = directory / name
    subprocess.run([cc, *FLAGS, "-o", str(program), str(HERE / f"{name}.c")], check=True)
    return program


class Generator:
    """The load generator as a subprocess: clients of one server. A context manager, which ends it on exit."""

    def __init__(
        self,
        sockets: Iterable[Socket],
        *,
        port: int,
        directory: Path,
        cpu_s: Callable[[], float] = lambda: 0.0,
        core: int | None = GENERATOR_CORE,
        in_c: bool = True,
    ) -> None:
        program = compiled("load", directory) if in_c else None
        if program is None:
            print("load generator: Python, because there is no C compiler. It may be the bottleneck.")
        command = [str(program)] if program else [sys.executable, "-m", "tests.benchmarks.load"]
        pinned = [] if core is None else ["taskset", "-c", str(core)]
        self._cpu_s = cpu_s
        self._process = subprocess.Popen(
            [*pinned, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HERE.parent.parent
        )
        self._write_line(f"server\t127.0.0.1\t{port}")
        for socket in sockets:
            self._write_line(socket.line())

    def __enter__(self) -> "Generator":
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()

    def connect(self) -> float:
        """Opens all sockets. Returns the seconds until the last one is ready."""
        self._write_line("connect")
        return float(self._wait_for("ready")["seconds"])

    def come_back(self, *, spread_s: float) -> Arrival:
        """Opens each socket at a random time within `spread_s` seconds. Returns when all are ready."""
        self._write_line(f"come_back\t{spread_s}")
        return Arrival(**self._wait_for("ready"))

    def closed(self, in_flight: int, *, seconds: float, warm_up_s: float = 1.0) -> Result:
        """Keeps `in_flight` messages of each sender in flight. One is done when its whole group has received it."""
        return self._measure(f"closed\t{in_flight}\t{warm_up_s}\t{seconds}")

    def paced(self, per_s: float, *, seconds: float, warm_up_s: float = 1.0) -> Result:
        """Sends `per_s` messages a second, whether or not earlier ones have been delivered."""
        return self._measure(f"paced\t{per_s}\t{warm_up_s}\t{seconds}")

    def hold(self, seconds: float) -> None:
        """Keeps the sockets open and sends nothing."""
        self._write_line(f"hold\t{seconds}")
        self._wait_for("end")

    def _measure(self, command: str) -> Result:
        self._write_line(command)
        self._wait_for("begin")
        before = self._cpu_s()
        self._wait_for("stop")
        spent = self._cpu_s() - before
        return Result(**self._wait_for("end"), cpu_s=spent)

    def _write_line(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _read_line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the load generator stopped: {self._process.wait()}")
        return line

    def _wait_for(self, word: str) -> dict[str, Any]:
        """Reads lines until one begins with `word`. Returns the JSON that follows it."""
        while True:
            first, _, rest = self._read_line().strip().partition(" ")
            if first == word:
                found: dict[str, Any] = json.loads(rest or "{}")
                return found
