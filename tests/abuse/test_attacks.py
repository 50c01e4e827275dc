"""Each attack beside people who go on chatting: they wait no longer than without it, and the attacker is cut."""

import os
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.abuse.attackers import Report, attacking
from tests.abuse.bystander import Memory, acknowledgements, p99
from tests.abuse.cases import (
    CHATTING,
    FLOODS,
    HTTP,
    MIB,
    OVER_TLS,
    READ_BURST,
    READ_PER_S,
    READS,
    Case,
    make_room,
    make_target,
)
from tests.certificates import write_certificate
from tests.conftest import StartServer, watched
from tests.engine import only_on
from tests.faults.conftest import running_redis
from tests.people import Person
from tests.servers import SERVE, Server

SECONDS = 1.5
ATTEMPTS = 5
MOST_S = 0.1
FACTOR = 3  # between the waits beside an attack and without one
PATIENCE_S = 0.5


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    limits = {
        "ROOMLOG_RATE_LIMITS": "on",
        "ROOMLOG_FLOOD_PATIENCE_S": str(PATIENCE_S),
        "FORWARDED_ALLOW_IPS": "10.0.0.1",  # not this machine: a proxy's connections are not bounded by address
        "ROOMLOG_READ_BYTES_PER_S": str(READ_PER_S),
        "ROOMLOG_READ_BYTES_BURST": str(READ_BURST),
    }
    if not os.environ.get("DATABASE_URL"):
        yield limits
        return
    with running_redis() as redis:
        yield limits | {"REDIS_URL": redis.url}


@pytest.fixture(scope="module")
def _server(start_shared_server: StartServer, environment: dict[str, str]) -> Server:
    return start_shared_server(**environment)


@pytest.fixture
def server(_server: Server, transactional_db: None) -> Iterator[Server]:
    with watched(_server):
        yield _server


@pytest.fixture(scope="module")
def _encrypted_server(
    start_shared_server: StartServer, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Server:
    certificate, key = write_certificate(tmp_path_factory.mktemp("tls"))
    command = (*SERVE, "--ssl-certfile", str(certificate), "--ssl-keyfile", str(key))
    return start_shared_server(command=command, scheme="https", **environment)


@pytest.fixture
def encrypted_server(_encrypted_server: Server, transactional_db: None) -> Iterator[Server]:
    with watched(_encrypted_server):
        yield _encrypted_server


class Measured(NamedTuple):
    """What an attack did: the bystanders' p99 in seconds, the server's memory in bytes, and what the attacker saw."""

    p99_s: float
    memory_bytes: int
    report: Report

    def __str__(self) -> str:
        return (
            f"p99 {self.p99_s * 1000:.1f} ms, memory +{self.memory_bytes / MIB:.1f} MiB, {self.report.connections}"
            f" connections, closes {dict(self.report.closes)}, {self.report.cuts} cuts,"
            f" received {self.report.received_bytes / MIB:.1f} MiB"
        )


def withstand(server: Server, people: list[Person], case: Case) -> None:
    """Asserts that the attack harms nobody. The best of several runs counts: noise of the machine only adds harm."""
    chatting, attacking_people = people[:CHATTING], people[CHATTING:]
    room, target = make_room(chatting), make_target(server, attacking_people, case)
    found = []
    for _ in range(ATTEMPTS):
        alone = p99(acknowledgements(server, chatting, room, seconds=SECONDS))
        memory = Memory(server)
        with attacking(case.attack, target) as report, memory.watched():
            beside = p99(acknowledgements(server, chatting, room, seconds=SECONDS))
        measured = Measured(beside, memory.growth, report)
        print(f"{case.name}: {measured}; p99 alone {alone * 1000:.1f} ms")
        harm = harm_of(case, measured, alone_s=alone)
        if not harm:
            return
        found.append(f"{', '.join(harm)}: {measured}; p99 alone {alone * 1000:.1f} ms")
    raise AssertionError("\n".join(found))


def harm_of(case: Case, measured: Measured, *, alone_s: float) -> list[str]:
    """Returns what the attack did that it must not do."""
    report = measured.report
    checks = {
        "others waited": measured.p99_s < min(MOST_S, max(FACTOR * alone_s, case.noise_s)),
        "memory": measured.memory_bytes < case.memory_bytes,
        "it was sent too much": report.received_bytes < case.received_bytes,
        f"not closed with {case.code}": case.code is None or bool(report.closes[case.code]),
        "not cut": not case.is_cut or bool(report.cuts),
    }
    return [name for name, holds in checks.items() if not holds]


@pytest.mark.parametrize("case", [*FLOODS, *READS, *HTTP], ids=lambda case: case.name)
def test_others_do_not_notice(server: Server, people: list[Person], case: Case) -> None:
    withstand(server, people, case)


@only_on("sqlite")
@pytest.mark.parametrize("case", OVER_TLS, ids=lambda case: case.name)
def test_others_do_not_notice_over_tls(encrypted_server: Server, people: list[Person], case: Case) -> None:
    withstand(encrypted_server, people, case)
