"""Pairs of servers on one database, with and without a Redis between them."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.conftest import StartServer, starting, watched
from tests.redis import Redis, is_real
from tests.servers import Server


def pytest_report_header() -> str:
    return "redis: redis-server" if is_real() else "redis: NOT INSTALLED, replaced by fakeredis over TCP"


@contextmanager
def running_redis() -> Iterator[Redis]:
    redis = Redis().start()
    yield redis
    redis.stop()


@pytest.fixture(scope="session")
def _redis() -> Iterator[Redis]:
    with running_redis() as redis:
        yield redis


@pytest.fixture(scope="session")
def _pair_with_redis(
    _redis: Redis, django_db_setup: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Server]]:
    with starting(tmp_path_factory.mktemp("with-redis")) as start:
        yield _start_two(start, _redis.url)


@pytest.fixture(scope="session")
def _pair_without_redis(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    with starting(tmp_path_factory.mktemp("without-redis")) as start:
        yield _start_two(start, "")


# The deployments that are tested: PostgreSQL with and without Redis, and SQLite without it.
PAIRS = {"without Redis": "_pair_without_redis"}
if os.environ.get("DATABASE_URL"):
    PAIRS["with Redis"] = "_pair_with_redis"


@pytest.fixture(params=list(PAIRS.values()), ids=list(PAIRS))
def pair(request: pytest.FixtureRequest, transactional_db: None) -> Iterator[list[Server]]:
    """Two processes that serve the same rooms, with a channel layer between them or with the sweep alone."""
    servers: list[Server] = request.getfixturevalue(request.param)
    with watched(*servers):
        yield servers


@pytest.fixture
def usual_pair(request: pytest.FixtureRequest, transactional_db: None) -> Iterator[list[Server]]:
    """For slow tests, which run on one pair only: with Redis on PostgreSQL, without it on SQLite."""
    servers: list[Server] = request.getfixturevalue([*PAIRS.values()][-1])
    with watched(*servers):
        yield servers


@pytest.fixture
def pair_with_dead_redis(
    _redis: Redis, _pair_with_redis: list[Server], transactional_db: None
) -> Iterator[list[Server]]:
    """Two processes whose Redis has stopped."""
    _redis.stop()
    with watched(*_pair_with_redis):
        yield _pair_with_redis
    _redis.start()


@pytest.fixture
def redis_pair(_pair_with_redis: list[Server], transactional_db: None) -> Iterator[list[Server]]:
    with watched(*_pair_with_redis):
        yield _pair_with_redis


@pytest.fixture
def redis(_redis: Redis) -> Iterator[Redis]:
    """The Redis of the pair. A test may stop, flush or pause it; it is restarted afterwards."""
    yield _redis
    _redis.stop()
    _redis.start()


def _start_two(start: StartServer, redis_url: str) -> list[Server]:
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda _: start(REDIS_URL=redis_url), range(2)))
