"""Each attack beside people who go on chatting: they wait no longer than without it, and the attacker is cut."""

import os
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import UUID

import pytest

from messaging.wire.closes import FLOOD, UNAUTHENTICATED
from rooms import services
from rooms.schema import NewRoom
from tests.abuse import attackers
from tests.abuse.attackers import Attack, Report, Target, attacking
from tests.abuse.bystander import Memory, acknowledgements, p99
from tests.conftest import StartServer, watched
from tests.engine import only_on
from tests.faults.conftest import running_redis
from tests.people import Person, make_person
from tests.servers import Server
from tests.services.appends import append, submissions
from tests.ws.test_encrypted import PROGRAM, write_certificate

SECONDS = 2.0
ATTEMPTS = 3
MOST_S = 0.1
FACTOR = 3  # between the waits beside an attack and without one
FLOOR_S = 0.015  # below which a wait is noise of the machine
PATIENCE_S = 1.0
READ_PER_S, READ_BURST = 256 * 1024, 8 * 1024 * 1024
MIB = 1024 * 1024


class Case(NamedTuple):
    """An attack, the code with which the attacker is cut, and what it may cost."""

    attack: Attack
    code: int | None = None
    is_cut: bool = False  # whether the server ends a connection that goes on after the close frame
    memory_bytes: int = 32 * MIB
    received_bytes: int = 64 * MIB
    messages: int = 0  # in the attacker's room
    text_chars: int = 200

    @property
    def name(self) -> str:
        return self.attack.__name__.replace("_", " ")


FLOODS = [
    Case(attackers.ping_without_a_token, UNAUTHENTICATED.code, is_cut=True),
    Case(attackers.ping, FLOOD.code),
    Case(attackers.write_after_the_close, UNAUTHENTICATED.code, is_cut=True),
    Case(attackers.write_tiny_frames, FLOOD.code, is_cut=True),
    Case(attackers.write_fragments, 1009),
    Case(attackers.write_large_frames, FLOOD.code),
    Case(attackers.mix_refusals_with_good_actions, FLOOD.code),
    Case(attackers.reconnect),
    Case(attackers.connect_without_a_token, UNAUTHENTICATED.code),
]
READS = [
    # 64 KiB in each socket, as much in its chunk and in the kernel.
    Case(attackers.leave_answers_unread, memory_bytes=32 * MIB + 90 * 3 * 64 * 1024, messages=200, text_chars=4_000),
    Case(
        attackers.replay_everything,
        memory_bytes=96 * MIB,
        received_bytes=3 * (READ_BURST + 10 * READ_PER_S) + 16 * MIB,
        messages=20_000,
    ),
]
HTTP = [
    Case(attackers.hold_connections),
    Case(attackers.pipeline_requests),
    Case(attackers.write_heads_without_end),
    Case(attackers.write_bodies_without_end),
]


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, Any]]:
    limits = {
        "ROOMLOG_RATE_LIMITS": "on",
        "ROOMLOG_FLOOD_PATIENCE_S": str(PATIENCE_S),
        "ROOMLOG_READ_BYTES_PER_S": str(READ_PER_S),
        "ROOMLOG_READ_BYTES_BURST": str(READ_BURST),
    }
    if not os.environ.get("DATABASE_URL"):
        yield limits
        return
    with running_redis() as redis:
        yield limits | {"REDIS_URL": redis.url}


@pytest.fixture(scope="module")
def _server(start_shared_server: StartServer, environment: dict[str, Any]) -> Server:
    return start_shared_server(**environment)


@pytest.fixture
def server(_server: Server, transactional_db: None) -> Iterator[Server]:
    with watched(_server):
        yield _server


@pytest.fixture(scope="module")
def _encrypted_server(
    start_shared_server: StartServer, environment: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Server:
    files = write_certificate(tmp_path_factory.mktemp("tls"))
    return start_shared_server(
        command=(sys.executable, "-c", PROGRAM, *map(str, files)),
        is_encrypted=True,
        DJANGO_SETTINGS_MODULE="config.settings",
        **environment,
    )


@pytest.fixture
def encrypted_server(_encrypted_server: Server, transactional_db: None) -> Iterator[Server]:
    with watched(_encrypted_server):
        yield _encrypted_server


@pytest.fixture
def people(db: None) -> list[Person]:
    """Eleven people. The first eight chat, the last three attack."""
    return [make_person(f"person{number}") for number in range(11)]


def make_room(people: list[Person]) -> UUID:
    others = [person.id for person in people[1:]]
    return services.create_room(user_id=people[0].id, new=NewRoom(name="Tea", kind="private", members=others)).room.id


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
    """Asserts that the attack harms nobody. Of the waits, the best of three runs counts: noise makes them longer."""
    chatting, attacking_people = people[:8], people[8:]
    room, attacked = make_room(chatting), make_room(attacking_people)
    for begin in range(0, case.messages, 500):
        count = min(500, case.messages - begin)
        append(*submissions(attacking_people[0], [attacked], count, text="x" * case.text_chars))
    target = Target(
        port=server.port,
        is_encrypted=server.url.startswith("https"),
        tokens=[person.token for person in attacking_people],
        rooms=[str(attacked)],
    )
    for _ in range(ATTEMPTS):
        alone = p99(acknowledgements(server, chatting, room, seconds=SECONDS))
        memory = Memory(server)
        with attacking(case.attack, target) as report, memory.watched():
            beside = p99(acknowledgements(server, chatting, room, seconds=SECONDS))
        measured = Measured(beside, memory.growth, report)
        print(f"{case.name}: {measured}; p99 alone {alone * 1000:.1f} ms")
        assert measured.memory_bytes < case.memory_bytes, measured
        assert report.received_bytes < case.received_bytes, measured
        assert case.code is None or report.closes[case.code], measured
        assert not case.is_cut or report.cuts, measured
        if beside < min(MOST_S, max(FACTOR * alone, FLOOR_S)):
            return
    raise AssertionError(f"{measured}; p99 alone {alone * 1000:.1f} ms")


@pytest.mark.parametrize("case", [*FLOODS, *READS, *HTTP], ids=lambda case: case.name)
def test_others_do_not_notice(server: Server, people: list[Person], case: Case) -> None:
    withstand(server, people, case)


@only_on("sqlite")
@pytest.mark.parametrize("case", [*FLOODS, *HTTP], ids=lambda case: case.name)
def test_others_do_not_notice_over_tls(encrypted_server: Server, people: list[Person], case: Case) -> None:
    withstand(encrypted_server, people, case)
