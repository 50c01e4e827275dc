"""Real servers for tests: `manage.py serve` in a process of its own, with the database of the test."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
from django.conf import settings
from django.db import connection

from tests.contract import documents
from tests.ports import free_port

SERVE = (sys.executable, "manage.py", "serve", "--no-migrate")
START_TIMEOUT_S = 30.0


class Server:
    """One `serve` process. Its log is kept, so that tests can check it for tracebacks."""

    def __init__(
        self, log_path: Path, *, command: Sequence[str] = SERVE, scheme: str = "http", **environment: str
    ) -> None:
        self.port = free_port()
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self.ws_url = f"{scheme.replace('http', 'ws')}://127.0.0.1:{self.port}/ws/"
        self._command = command
        self._log_path = log_path
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Server":
        """Starts the process, and waits until it answers."""
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._command, "--port", str(self.port)],
                cwd=settings.BASE_DIR,
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self.is_running:
            try:
                httpx.get(f"{self.url}/healthz", verify=False)
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                return self
        raise AssertionError(f"the server did not start:\n{self.log}")

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the process, also for management commands that a test runs."""
        return os.environ | {"DATABASE_URL": database_url(), "LOG_LEVEL": "INFO"} | self._environment

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        return self._log_path.read_text()

    def kill(self) -> None:
        """Kills the process without notice (SIGKILL)."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Stops the process in order (SIGTERM), and waits for its end."""
        self._end(signal.SIGTERM)

    def _end(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(timeout=30)
            self._process = None

    def readiness(self) -> dict[str, Any]:
        """Returns the body of `/readyz`."""
        with self.rest() as rest:
            found: dict[str, Any] = rest.get("/readyz").json()
            return found

    def rest(self, headers: dict[str, str] | None = None) -> httpx.Client:
        """Returns a client that checks every response against openapi.yaml."""
        hooks = {"response": [_check_answer]}
        return httpx.Client(base_url=self.url, headers=headers or {}, timeout=30, verify=False, event_hooks=hooks)


def _check_answer(response: httpx.Response) -> None:
    request, content = response.request, response.read()
    documents.rest().check_answer(request.method, request.url.path, response.status_code, response.headers, content)


def database_url() -> str:
    """Returns the URL of the test database."""
    values: dict[str, Any] = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{values['NAME']}"
    url = httpx.URL(os.environ["DATABASE_URL"].replace("postgresql://", "http://"))
    return str(url.copy_with(path=f"/{values['NAME']}")).replace("http://", "postgresql://")
