"""DATA_DIR of a running server, as other users of the machine see it."""

import stat
import sys
from pathlib import Path

import httpx

from tests.conftest import StartServer
from tests.engine import only_on
from tests.servers import Server

SERVE_AND_MIGRATE = (sys.executable, "manage.py", "serve")
FILES = {"roomlog.sqlite3", "secret_key"}
WHILE_IN_USE = {"roomlog.sqlite3-shm", "roomlog.sqlite3-wal"}  # SQLite removes them with its last connection


def is_private(directory: Path) -> bool:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}
    assert FILES <= modes.keys() <= FILES | WHILE_IN_USE
    return stat.S_IMODE(directory.stat().st_mode) == 0o700 and set(modes.values()) == {0o600}


def sign_up(server: Server, username: str) -> None:
    body = {"username": username, "password": "correct-horse-9"}
    assert httpx.post(f"{server.url}/_allauth/app/v1/auth/signup", json=body, timeout=30).status_code == 200


@only_on("sqlite")
def test_only_its_user_can_read_it(start_server: StartServer, tmp_path: Path) -> None:
    """A new one is made so, and one that earlier versions left open is closed at the start."""
    directory = tmp_path / "data"
    environment = {"DATA_DIR": str(directory), "DATABASE_URL": "", "SECRET_KEY": ""}
    server = start_server(command=SERVE_AND_MIGRATE, **environment)
    sign_up(server, "dora")
    assert is_private(directory)
    assert "could read the data" not in server.log
    server.stop()

    directory.chmod(0o755)
    for file in directory.iterdir():
        file.chmod(0o644)
    server = start_server(command=SERVE_AND_MIGRATE, **environment)
    sign_up(server, "erin")
    assert is_private(directory)
    assert server.log.count("other users of this machine could read the data until now") >= 3
