"""The measured processes: pins them to a core, and reads their CPU time and memory from /proc."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

SERVER_CORE, GENERATOR_CORE = 0, 1
START_TIMEOUT_S = 60.0


def start(
    command: Sequence[str], *, log: Path, core: int = SERVER_CORE, env: Mapping[str, str] | None = None
) -> "subprocess.Popen[bytes]":
    """Starts `command` on one core. Appends its output to `log`."""
    with log.open("ab") as output:
        return subprocess.Popen(
            ["taskset", "-c", str(core), *command],
            env=dict(env) if env is not None else None,
            stdout=output,
            stderr=output,
        )


def stop(process: "subprocess.Popen[bytes] | None") -> None:
    if process is not None:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until(is_there: Callable[[], bool], *, what: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not is_there():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.02)


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def pin_tree(pid: int, core: int) -> None:
    """Moves a running process and its descendants to `core`."""
    for each in tree([pid]):
        os.sched_setaffinity(each, {core})


def tree(pids: Iterable[int]) -> set[int]:
    """Returns `pids` and all their descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue  # it has ended
            children.setdefault(parent, []).append(int(entry.name))
    found: set[int] = set()
    waiting = list(pids)
    while waiting:
        pid = waiting.pop()
        found.add(pid)
        waiting += children.get(pid, ())
    return found


def cpu_s(pids: Iterable[int]) -> float:
    """Returns the CPU seconds of `pids` and their descendants: exact for living threads, in ticks for ended ones."""
    return sum(max(_of_living_threads_s(pid), _of_all_threads_s(pid)) for pid in tree(pids))


def _of_living_threads_s(pid: int) -> float:
    spent_ns = 0
    for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with suppress(OSError):
            spent_ns += int(thread.read_text().split()[0])
    return spent_ns / 1e9


def _of_all_threads_s(pid: int) -> float:
    """Returns utime and stime of `proc_pid_stat(5)`, in ticks. A REST request takes a thread that ends with it."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_bytes(pid: int) -> int:
    """Returns the resident memory of `pid` and its descendants."""
    total_kib = 0
    for each in tree([pid]):
        for line in Path(f"/proc/{each}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                total_kib += int(line.split()[1])
    return total_kib * 1024
