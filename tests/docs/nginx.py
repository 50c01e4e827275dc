"""A real nginx with a configuration from the documents."""

import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

# Temporary files that nginx would keep in directories that only root can create.
TEMP_FILES = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def is_installed() -> bool:
    return shutil.which("nginx") is not None


class Nginx:
    """One nginx whose `http` block is `content`. It keeps its files in `directory`."""

    def __init__(self, directory: Path, content: str) -> None:
        self._directory = directory
        self._configuration = directory / "nginx.conf"
        temp_paths = "".join(f"{kind}_temp_path {directory}/{kind};\n" for kind in TEMP_FILES)
        self._configuration.write_text(
            f"pid {directory}/pid;\nerror_log {directory}/error.log;\nevents {{}}\n"
            f"http {{\naccess_log off;\n{temp_paths}{content}}}\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def check(self) -> None:
        """Asserts that nginx accepts the configuration."""
        checked = subprocess.run(self._command("-t"), check=False, capture_output=True, timeout=30)
        assert checked.returncode == 0, checked.stderr.decode()

    def start(self, port: int) -> "Nginx":
        """Starts it, and waits until it listens on `port`."""
        self._process = subprocess.Popen(self._command("-g", "daemon off;"), stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return self
        raise AssertionError((self._directory / "error.log").read_text())

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=10)
            self._process = None

    def _command(self, *more: str) -> Sequence[str]:
        return [
            shutil.which("nginx") or "nginx", "-p", str(self._directory), "-c", str(self._configuration), *more
        ]  # fmt: skip
