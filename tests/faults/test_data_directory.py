"""DATA_DIR of a running server, as other users of the machine see it."""

import stat
import sys
from pathlib import Path

import httpx

from tests.conftest import StartServer
from tests.engine import only_on
from tests.servers import Server

SERVE_AND_MIGRATE = (sys.executable, "manage.py", "serve")
FILES = ["roomlog.sqlite3", "roomlog.sqlite3-shm", "roomlog.sqlite3-wal", "secret_key"]


def modes(directory: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in (directory, *sorted(directory.iterdir()))}


PRIVATE = {"data": 0o700} | dict.fromkeys(FILES, 0o600)


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
    assert modes(directory) == PRIVATE
    assert "could read the data" not in server.log
    server.stop()

    directory.chmod(0o755)
    for file in directory.iterdir():
        file.chmod(0o644)
    server = start_server(command=SERVE_AND_MIGRATE, **environment)
    sign_up(server, "erin")
    assert modes(directory) == PRIVATE
    assert server.log.count("other users of this machine could read the data until now") >= 3
