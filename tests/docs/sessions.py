"""Runs the commands of the documents in a directory of their own, against a server of the test."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.docs.blocks import ADDRESS, ROOT, Block
from tests.servers import Server

TIMEOUT_S = 60.0


class Session:
    """A directory with links to the project's `.venv` and `manage.py`, where blocks are saved and run."""

    def __init__(self, directory: Path, server: Server) -> None:
        self.directory = directory
        self.server = server
        (directory / ".venv").symlink_to(sys.prefix)
        (directory / "manage.py").symlink_to(ROOT / "manage.py")

    def save(self, blocks: Sequence[Block]) -> None:
        """Writes each block that is marked with a file name to that file."""
        for block in blocks:
            if "file" in block.marks:
                (self.directory / block.marks["file"]).write_text(self.localized(block.text))

    def run_shell(self, blocks: Sequence[Block], **environment: str) -> str:
        """Runs all blocks as one script, which stops at the first failure. Returns its output."""
        script = self.directory / "session.sh"
        script.write_text("".join(self.localized(block.text) for block in blocks))
        return self.run(["bash", "-euo", "pipefail", str(script)], **environment)

    def run(self, command: Sequence[str], **environment: str) -> str:
        """Runs a command. Returns its output, which goes to a file so that background processes do not block."""
        log = self.directory / "output.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=self.directory,
                env=os.environ | environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                status = process.wait(TIMEOUT_S)
            finally:
                _end_group(process.pid)
        assert status == 0, f"{command} ended with {status}:\n{log.read_text()}"
        return log.read_text()

    def localized(self, text: str) -> str:
        return text.replace(ADDRESS, f"127.0.0.1:{self.server.port}").replace("/tmp/", f"{self.directory}/")


def _end_group(leader: int) -> None:
    """Kills the processes that a session left running; they are in a process group of their own."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return
