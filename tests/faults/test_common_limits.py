"""Rate limits hold for all processes together: with Redis, without it, and while it fails."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from uuid import UUID

import httpx
import pytest

from accounts.models import User
from tests.conftest import StartServer
from tests.faults.conftest import running_redis
from tests.people import Person
from tests.redis import Redis, is_real
from tests.servers import Server
from tests.sockets import Client

WRONG, LOCKED = "username_password_mismatch", "too_many_login_attempts"
PREFIX = "tea"
REDIS_FAILED = "Redis failed; the database counts logins and sign-ups"
addresses = (f"198.51.{number // 250}.{number % 250}" for number in count())


@pytest.fixture
def redis() -> Iterator[Redis]:
    with running_redis() as redis:
        yield redis


@pytest.fixture(params=["with Redis", "without Redis"])
def pair(request: pytest.FixtureRequest, start_server: StartServer) -> list[Server]:
    """Two processes that limit rates."""
    if request.param == "without Redis":
        return start_two(start_server, "")
    return start_two(start_server, request.getfixturevalue("redis").url)


@pytest.fixture
def redis_pair(start_server: StartServer, redis: Redis) -> list[Server]:
    return start_two(start_server, redis.url)


class SlowProxy:
    """Forwards bytes to a Redis, and its answers back after `delay_s` each."""

    def __init__(self, redis: Redis, *, delay_s: float) -> None:
        self._redis, self._delay_s = redis, delay_s
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self.url = ""

    def __enter__(self) -> "SlowProxy":
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._accept, "127.0.0.1", 0), self._loop
        ).result()
        self.url = f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/0"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.1))
        self._loop.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        redis_reader, redis_writer = await asyncio.open_connection("127.0.0.1", self._redis.port)
        await asyncio.gather(self._pump(reader, redis_writer, 0.0), self._pump(redis_reader, writer, self._delay_s))

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, delay_s: float) -> None:
        try:
            while data := await source.read(65_536):
                await asyncio.sleep(delay_s)
                sink.write(data)
        finally:
            sink.transport.abort()


def start_two(start: StartServer, url: str) -> list[Server]:
    def start_one(_: int) -> Server:
        return start(REDIS_URL=url, REDIS_PREFIX=PREFIX, ROOMLOG_RATE_LIMITS="on", SIGNUPS_PER_ADDRESS_PER_DAY="3")

    with ThreadPoolExecutor() as pool:
        return list(pool.map(start_one, range(2)))


def post(server: Server, path: str, username: str, address: str = "") -> httpx.Response:
    """Signs up or logs in from `address`, or from one that nobody has used before. The password is wrong for all."""
    return httpx.post(
        f"{server.url}/_allauth/app/v1/auth/{path}",
        json={"username": username, "password": "wrong-horse-9"},
        headers={"X-Forwarded-For": address or next(addresses)},
        timeout=30,
    )


def fail(servers: Sequence[Server], username: str, times: int, *, at_once: int = 1) -> Counter[str]:
    """Fails to log in, at one server after the other. Returns the codes of the answers."""

    def log_in(number: int) -> str:
        answer = post(servers[number % len(servers)], "login", username)
        assert answer.status_code == 400, answer.text
        return str(answer.json()["errors"][0]["code"])

    with ThreadPoolExecutor(at_once) as pool:
        return Counter(pool.map(log_in, range(times)))


def test_failed_logins_are_counted_in_common(pair: list[Server]) -> None:
    assert fail(pair, "dora", 7) == {WRONG: 5, LOCKED: 2}


def test_fifty_at_once_get_no_more_tries(pair: list[Server]) -> None:
    """Some may be refused that would have been admitted one after the other, but none is admitted in addition.

    On a machine so busy that Redis answers too late, the database may admit as many again.
    """
    answers = fail(pair, "dora", 50, at_once=50)

    assert set(answers) == {WRONG, LOCKED}
    was_late = any(REDIS_FAILED in server.log for server in pair)
    assert answers[WRONG] <= (10 if was_late else 5)


def test_other_logins_do_not_free_a_locked_name(pair: list[Server]) -> None:
    fail(pair, "dora", 6)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: post(pair[number % 2], "login", f"other{number}"), range(40)))

    assert fail(pair, "dora", 4) == {LOCKED: 4}


def test_sign_ups_are_counted_in_common(pair: list[Server]) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: post(pair[n % 2], "signup", f"user{n}", f"2001:db8::{n}"), range(8)))

    assert Counter(answer.status_code for answer in answers) == {200: 3, 429: 5}
    assert User.objects.count() == 3
    for answer in answers:
        if answer.status_code == 429:
            assert answer.json() == {"status": 429}
            assert int(answer.headers["Retry-After"]) == pytest.approx(24 * 3600, abs=60)
    assert post(pair[0], "signup", "elsewhere", "2001:db8:1::1").status_code == 200


def test_redis_is_used_under_its_prefix(redis_pair: list[Server], redis: Redis) -> None:
    fail(redis_pair, "dora", 1)

    assert {key.partition(b":")[0] for key in redis.list_keys()} == {PREFIX.encode()}


def test_other_content_in_redis_does_no_harm(redis_pair: list[Server], redis: Redis) -> None:
    fail(redis_pair, "dora", 1)
    for key in redis.list_keys():
        redis.command("SET", key, "cos\nsystem\n(S'false'\ntR.")

    assert fail(redis_pair, "dora", 1) == {WRONG: 1}


@pytest.mark.parametrize("failure", ["stop", "pause"])
def test_a_redis_that_fails_refuses_and_delays_nobody(redis_pair: list[Server], redis: Redis, failure: str) -> None:
    fail(redis_pair, "dora", 2)
    getattr(redis, failure)()

    began = time.monotonic()
    assert fail(redis_pair, "dora", 7) == {WRONG: 5, LOCKED: 2}
    assert post(redis_pair[0], "signup", "erin").status_code == 200
    assert time.monotonic() - began < 10
    for server in redis_pair:
        assert server.log.count(REDIS_FAILED) == 1


@pytest.mark.parametrize(("delay_s", "most_s"), [(0.15, 6.0), (0.5, 2.0)])
def test_a_slow_redis_refuses_nobody(start_server: StartServer, redis: Redis, delay_s: float, most_s: float) -> None:
    """Each answer of Redis is late, by less or by more than its timeout."""
    with SlowProxy(redis, delay_s=delay_s) as proxy:
        servers = start_two(start_server, proxy.url)
        began = time.monotonic()
        assert post(servers[0], "signup", "erin").status_code == 200
        assert time.monotonic() - began < most_s
        answers = fail(servers, "dora", 7)

    assert answers == {WRONG: 5, LOCKED: 2}


def test_it_counts_in_redis_again_once_it_is_back(redis_pair: list[Server], redis: Redis) -> None:
    redis.stop()
    fail(redis_pair, "dora", 2)
    redis.start()

    deadline = time.monotonic() + 10
    while not all("Redis counts logins and sign-ups again" in server.log for server in redis_pair):
        assert time.monotonic() < deadline
        fail(redis_pair, f"other{deadline - time.monotonic()}", 2)
    redis.flush()
    assert fail(redis_pair, "erin", 7) == {WRONG: 5, LOCKED: 2}
    assert any(b"login_failed" in key for key in redis.list_keys())


def test_a_flushed_redis_starts_again(redis_pair: list[Server], redis: Redis) -> None:
    fail(redis_pair, "dora", 6)
    redis.flush()

    assert fail(redis_pair, "dora", 6) == {WRONG: 5, LOCKED: 1}


# -- actions ----------------------------------------------------------------------------------------------------------


def act_for(clients: list[Client], seconds: float) -> int:
    """Sends as fast as it goes, on all clients. Returns how many actions were carried out."""

    def act(client: Client) -> int:
        done, deadline = 0, time.monotonic() + seconds
        while (now := time.monotonic()) < deadline:
            reply = client.act("ping")
            if reply["response_status"] == 200:
                done += 1
            else:
                time.sleep(min(reply["errors"][0]["retry_after"], deadline - now))
        return done

    with ThreadPoolExecutor() as pool:
        return sum(pool.map(act, clients))


@pytest.fixture
def clients(redis_pair: list[Server], alice: Person) -> Iterator[list[Client]]:
    clients = [Client(server, alice) for server in redis_pair]
    yield clients
    for client in clients:
        client.connection.close()


@pytest.mark.skipif(not is_real(), reason="fakeredis runs no scripts")
def test_actions_are_counted_in_common(clients: list[Client]) -> None:
    """Two bursts of 40 at first, then 20 a second for both together, in which the second burst is repaid."""
    assert act_for(clients, 1) >= 80
    assert act_for(clients, 9) <= 9 * 20 + 20


@pytest.mark.skipif(not is_real(), reason="fakeredis runs no scripts")
def test_each_process_counts_its_actions_for_itself_while_redis_fails(
    clients: list[Client], redis_pair: list[Server], redis: Redis
) -> None:
    redis.pause()
    assert act_for(clients, 6) >= 2 * (40 + 5 * 20 - 20)
    redis.resume()

    act_for(clients, 4)
    assert act_for(clients, 5) <= 5 * 20 + 30
    for server in redis_pair:
        lines = [line for line in server.log.splitlines() if "limits shared with the other processes" in line]
        assert ["healthy=False" in lines[0], "healthy=True" in lines[1], len(lines)] == [True, True, 2]


def test_a_send_is_no_slower_while_redis_fails(
    redis_pair: list[Server], redis: Redis, room: UUID, alice: Person
) -> None:
    redis.pause()
    with Client(redis_pair[0], alice) as client:
        for number in range(30):
            began = time.monotonic()
            assert client.act("send", room=str(room), text=str(number))["response_status"] == 201
            assert time.monotonic() - began < 0.5
            time.sleep(0.05)
