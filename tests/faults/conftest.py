"""Pairs of servers on one database, with and without a Redis between them."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from pytest_django import DjangoDbBlocker

from tests.redis import Redis, is_real
from tests.servers import Server


def pytest_report_header() -> str:
    return "redis: redis-server" if is_real() else "redis: NONE ON THE PATH, fakeredis over TCP stands in"


@contextmanager
def free_redis() -> Iterator[Redis]:
    redis = Redis().start()
    yield redis
    redis.stop()


@pytest.fixture(scope="session")
def _redis() -> Iterator[Redis]:
    with free_redis() as redis:
        yield redis


@pytest.fixture(scope="session")
def _pair_with_redis(
    _redis: Redis, django_db_setup: None, django_db_blocker: DjangoDbBlocker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Server]]:
    with django_db_blocker.unblock():
        servers = _start(tmp_path_factory.mktemp("with-redis"), _redis.url)
    yield servers
    _stop(servers)


@pytest.fixture(scope="session")
def _pair_without_redis(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Server]]:
    with django_db_blocker.unblock():
        servers = _start(tmp_path_factory.mktemp("without-redis"), "")
    yield servers
    _stop(servers)


# What is deployed: PostgreSQL with Redis, or without; processes on one SQLite file have none.
PAIRS = {"without Redis": "_pair_without_redis"}
if os.environ.get("DATABASE_URL"):
    PAIRS["with Redis"] = "_pair_with_redis"


@pytest.fixture(params=list(PAIRS.values()), ids=list(PAIRS))
def pair(request: pytest.FixtureRequest, transactional_db: None) -> Iterator[list[Server]]:
    """Two processes that serve the same rooms, with a layer between them or the sweep alone."""
    yield from _watched(request.getfixturevalue(request.param))


@pytest.fixture
def usual_pair(request: pytest.FixtureRequest, transactional_db: None) -> Iterator[list[Server]]:
    """For what takes long: with Redis on PostgreSQL, without on SQLite."""
    yield from _watched(request.getfixturevalue([*PAIRS.values()][-1]))


@pytest.fixture
def deaf_pair(_redis: Redis, _pair_with_redis: list[Server], transactional_db: None) -> Iterator[list[Server]]:
    """Two processes whose Redis has died."""
    _redis.stop()
    yield from _watched(_pair_with_redis)
    _redis.start()


@pytest.fixture
def redis_pair(_pair_with_redis: list[Server], transactional_db: None) -> Iterator[list[Server]]:
    yield from _watched(_pair_with_redis)


@pytest.fixture
def redis(_redis: Redis) -> Iterator[Redis]:
    """The Redis between them: a test may do to it what it likes."""
    yield _redis
    _redis.stop()
    _redis.start()


def _start(directory: Path, redis_url: str) -> list[Server]:
    servers = [Server(directory / f"server{number}.log", REDIS_URL=redis_url) for number in range(2)]
    with ThreadPoolExecutor() as pool:
        return list(pool.map(Server.start, servers))


def _stop(servers: list[Server]) -> None:
    for server in servers:
        server.stop()


def _watched(servers: list[Server]) -> Iterator[list[Server]]:
    """Whatever a test does, the processes log no traceback of ours; those that it killed are back for the next."""
    before = [len(server.log) for server in servers]
    yield servers
    for server in servers:
        if not server.is_running:
            server.start()
    for server, start in zip(servers, before, strict=True):
        assert "Traceback" not in server.log[start:], server.log[start:]
