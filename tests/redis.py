"""A Redis server for tests, which they can stop and pause: `redis-server` from the PATH, or else fakeredis."""

import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

import redis

from tests.ports import free_port

FAKE = "from fakeredis import TcpFakeServer; TcpFakeServer(('127.0.0.1', {port})).serve_forever()"


def is_real() -> bool:
    return shutil.which("redis-server") is not None


class Redis:
    """One server. It keeps its port across restarts, but no data."""

    def __init__(self) -> None:
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> "Redis":
        with tempfile.TemporaryFile() as log:
            self._process = subprocess.Popen(self._command(), stdout=log, stderr=log)
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline:
                try:
                    socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                except OSError:
                    time.sleep(0.02)
                else:
                    return self
            log.seek(0)
            raise AssertionError(f"Redis did not start:\n{log.read().decode()}")

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Stops answering without closing connections, as an overloaded host does."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def flush(self) -> None:
        self.command("FLUSHALL")

    def list_keys(self) -> list[bytes]:
        found: list[bytes] = self.command("KEYS", "*")
        return found

    def command(self, *words: str | bytes) -> Any:
        with redis.Redis(port=self.port) as client:
            return client.execute_command(*words)

    def _command(self) -> Sequence[str]:
        if is_real():
            return ["redis-server", "--port", str(self.port), "--save", "", "--appendonly", "no"]
        return [sys.executable, "-c", FAKE.format(port=self.port)]
