"""Shares between processes what users have spent of their rate limits. Nothing waits for it.

Once a second each process adds what was spent here to a ledger in Redis, and takes off what the others spent. While
Redis fails, each process counts for itself; what it grants then is not charged later.
"""

import asyncio
from collections.abc import Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol

import redis.asyncio
import structlog
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from messaging.throttling import Limiter

INTERVAL_S: Final = 1.0
TIMEOUT_S: Final = 1.0  # for one round
MAX_ROUND_S: Final = 5.0  # how far back an account can be read; `ADD` keeps it for as long
KEYS_PER_SCRIPT: Final = 500  # Redis does nothing else while a script runs
CANCELLATIONS: Final = 20  # of the task, at the end: clients of Redis have swallowed a cancellation
CANCEL_EVERY_S: Final = 0.1

# An account is the moment at which everything spent will be regained, in milliseconds of Redis's own clock. What is
# added was spent since the last round, so it may have been regained in part: the account is read as it was then. It
# expires once no process can read it as it was before that moment, so Redis keeps the accounts of those who are active.
ADD: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local began = now - tonumber(ARGV[#KEYS + 1])
local debts = {}
for i, key in ipairs(KEYS) do
  local due = math.max(tonumber(redis.call('GET', key) or '') or began, began) + tonumber(ARGV[i])
  debts[i] = math.max(math.ceil(due - now), 0)
  redis.call('SET', key, string.format('%.3f', due), 'PX', debts[i] + 5000)
end
return debts
"""

log = structlog.get_logger(__name__)


class Ledger(Protocol):
    async def add(self, spent: Sequence[tuple[str, float]], *, within_s: float) -> Iterable[float]:
        """Adds to each account the seconds in which what was spent in the last `within_s` is regained.

        Returns for each the seconds until everything on it is regained. Raises whatever fails.
        """

    async def close(self) -> None: ...


class RedisLedger:
    """The accounts in one Redis, under keys that begin with `prefix`. One round trip for any number of accounts."""

    def __init__(self, url: str, *, prefix: str) -> None:
        self._prefix = prefix
        self._client = redis.asyncio.Redis.from_url(
            url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, retry=Retry(NoBackoff(), 0)
        )

    async def add(self, spent: Sequence[tuple[str, float]], *, within_s: float) -> Iterable[float]:
        pipeline = self._client.pipeline(transaction=False)
        for start in range(0, len(spent), KEYS_PER_SCRIPT):
            some = spent[start : start + KEYS_PER_SCRIPT]
            keys = [f"{self._prefix}:spent:{name}" for name, _ in some]
            amounts = (f"{1000 * seconds:.3f}" for seconds in (*(seconds for _, seconds in some), within_s))
            pipeline.eval(ADD, len(keys), *keys, *amounts)
        try:
            return [debt / 1000 for debts in await pipeline.execute() for debt in debts]
        except BaseException:
            # What is still to come on this connection would be taken for an answer to the next round.
            with suppress(Exception):
                await self._client.connection_pool.disconnect()
            raise

    async def close(self) -> None:
        with suppress(Exception):
            await self._client.aclose()


class SharedLimits:
    """Used on one loop only. Owns its task, which runs until `close`.

    `limiters` have names, which are the same in all processes.
    """

    def __init__(self, ledger: Ledger, *, limiters: Mapping[str, Limiter], loop: asyncio.AbstractEventLoop) -> None:
        self._ledger = ledger
        self._limiters = limiters
        self._loop = loop
        self._was_healthy = True  # when it was last logged
        self._task = loop.create_task(self._share())

    async def close(self) -> None:
        for _ in range(CANCELLATIONS):
            self._task.cancel()
            await asyncio.wait([self._task], timeout=CANCEL_EVERY_S)
            if self._task.done():
                break
        await self._ledger.close()

    async def _share(self) -> None:
        began = self._loop.time()
        while True:
            await asyncio.sleep(INTERVAL_S)
            last, began = began, self._loop.time()
            collected = {name: limiter.collect() for name, limiter in self._limiters.items()}
            if any(collected.values()):
                await self._exchange(collected, within_s=min(began - last, MAX_ROUND_S))

    async def _exchange(self, collected: Mapping[str, Mapping[Hashable, float]], *, within_s: float) -> None:
        """Adds what was collected to the accounts, and settles. What could not be added is forgotten."""
        spent = [
            (f"{name}:{key}", amount / self._limiters[name].per_s)
            for name, amounts in collected.items()
            for key, amount in amounts.items()
        ]
        try:
            async with asyncio.timeout(TIMEOUT_S):
                debts = iter(await self._ledger.add(spent, within_s=within_s))
        except Exception as error:  # noqa: BLE001 - a client of Redis raises more than its own errors
            self._log(healthy=False, error=repr(error))
            return
        for name, amounts in collected.items():
            limiter = self._limiters[name]
            limiter.settle({key: next(debts) * limiter.per_s for key in amounts})
        self._log(healthy=True)

    def _log(self, *, healthy: bool, **more: Any) -> None:
        if healthy is not self._was_healthy:
            self._was_healthy = healthy
            log.warning("limits shared with the other processes", healthy=healthy, **more)
