"""What allauth's rate limits count in: the cache backend `Counters`, which all processes of an installation share.

Counters are in Redis while it answers, and otherwise in the database. docs/decisions/0018-counting.md says why.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import cache
from typing import Any, Final, cast

import msgspec
import redis
import structlog
from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.db import connection, transaction
from django.utils import timezone
from redis.backoff import NoBackoff
from redis.retry import Retry

from accounts.models import Counter

REDIS_TIMEOUT_S: Final = 0.25  # for one command; a login takes about twenty
BREAK_S: Final = 2.0  # for which a Redis that failed is left alone
EXPIRED_PER_WRITE: Final = 100  # expired rows that are deleted along with each write, which adds three at most
LOCK: Final = ":lock"  # the end of the keys that allauth locks with

Hits = list[float]

log = structlog.get_logger(__name__)
_decode_hits = msgspec.json.Decoder(Hits).decode


class Counters(BaseCache):
    """The operations of a cache that allauth's rate limits use: `add`, `get`, `set` and `delete`.

    The values are lists of times. Of keys that end in `:lock`, only `add` and `delete` are used, to enclose one change
    of the key before the suffix. Values are stored as JSON, so that who can write to Redis or to the table can change
    counters, but not run code here.

    A failure of Redis is no error: what is asked of it is asked of the database instead, and so is everything in the
    next `BREAK_S`. Raises Django's errors if the database fails.
    """

    def __init__(self, url: str, params: dict[str, Any]) -> None:
        super().__init__(params)
        self._redis = _redis_at(url) if url else None

    def add(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Locks the key before the suffix `:lock`, and returns whether that succeeded.

        On the database it waits for the lock, and opens a transaction that `delete` commits.
        """
        name = self.make_key(key, version)
        return cast("bool", self._first(lambda store: store.lock(name, timeout)))

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        name = self.make_key(key, version)
        hits = self._first(lambda store: store.read(name))
        return default if hits is None else hits

    def set(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        name = self.make_key(key, version)
        self._first(lambda store: store.write(name, value, timeout))

    def delete(self, key: str, version: int | None = None) -> bool:
        name = self.make_key(key, version)
        if name.endswith(LOCK):
            return cast("bool", self._first(lambda store: store.unlock(name)))
        return cast("bool", self._first(lambda store: store.forget(name)))

    def _first(self, operation: Callable[[Any], object]) -> object:
        """Does `operation` on Redis, or on the database if Redis fails or a change is under way there."""
        if self._redis is not None and self._redis.is_up and not _database.is_locked:
            with self._redis.watched():
                return operation(self._redis)
        return operation(_database)


class RedisCounters:
    """Counters in one Redis, with a circuit breaker. May be used from any thread."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(
            url,
            socket_timeout=REDIS_TIMEOUT_S,
            socket_connect_timeout=REDIS_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )
        self._broken_until = 0.0
        self._was_up = True  # when it was last logged

    @property
    def is_up(self) -> bool:
        return time.monotonic() >= self._broken_until

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Suppresses a failure of Redis inside the block, and takes note of it."""
        try:
            yield
        except (redis.RedisError, OSError) as error:
            self._break(error)
        else:
            if not self._was_up:
                self._was_up = True
                log.warning("Redis counts logins and sign-ups again")

    def lock(self, key: str, timeout_s: float) -> bool:
        # A process that could not unlock because Redis failed does not use Redis while the lock lasts.
        return bool(self._client.set(key, b"1", nx=True, px=round(min(timeout_s, BREAK_S) * 1000)))

    def unlock(self, key: str) -> bool:
        return self.forget(key)

    def read(self, key: str) -> Hits | None:
        content = self._client.get(key)
        try:
            return None if content is None else _decode_hits(cast("bytes", content))
        except msgspec.MsgspecError:
            return None

    def write(self, key: str, hits: Hits, timeout_s: float) -> None:
        self._client.set(key, msgspec.json.encode(hits), px=round(timeout_s * 1000))

    def forget(self, key: str) -> bool:
        return bool(self._client.delete(key))

    def _break(self, error: Exception) -> None:
        if self._was_up:
            self._was_up = False
            log.warning("Redis failed; the database counts logins and sign-ups", error=repr(error))
        self._broken_until = time.monotonic() + BREAK_S


class DatabaseCounters:
    """Counters in the table of `Counter`. A lock is an open transaction of the thread that locked."""

    def __init__(self) -> None:
        self._local = threading.local()

    @property
    def is_locked(self) -> bool:
        """Whether this thread holds a lock."""
        return bool(self._locks)

    def lock(self, key: str, timeout_s: float) -> bool:
        stack = ExitStack()
        stack.enter_context(locked(key.removesuffix(LOCK)))
        self._locks[key] = stack
        return True

    def unlock(self, key: str) -> bool:
        stack = self._locks.pop(key, None)
        if stack is None:
            return False  # it was locked in Redis, which has failed since
        stack.close()
        return True

    def read(self, key: str) -> Hits | None:
        row = Counter.objects.filter(key=key, expires_at__gt=timezone.now()).first()
        return None if row is None else cast("Hits", row.hits)

    def write(self, key: str, hits: Hits, timeout_s: float) -> None:
        now = timezone.now()
        row = Counter(key=key, hits=hits, expires_at=now + timedelta(seconds=timeout_s))
        with transaction.atomic(savepoint=False):
            Counter.objects.bulk_create(
                [row], update_conflicts=True, unique_fields=["key"], update_fields=["hits", "expires_at"]
            )
            # Rows that somebody else has locked are skipped: they are in use again, or being deleted.
            free = Counter.objects.select_for_update(skip_locked=True).filter(expires_at__lte=now)
            if keys := [row.key for row in free[:EXPIRED_PER_WRITE]]:
                Counter.objects.filter(key__in=keys).delete()

    def forget(self, key: str) -> bool:
        return bool(Counter.objects.filter(key=key).delete()[0])

    @property
    def _locks(self) -> dict[str, ExitStack]:
        return cast("dict[str, ExitStack]", self._local.__dict__.setdefault("locks", {}))


@contextmanager
def locked(key: str) -> Iterator[None]:
    """Encloses a change that no other process or thread makes for the same key meanwhile. Opens a transaction.

    Waits for the others as long as for any lock of the database, and raises Django's `OperationalError` after that.
    """
    with transaction.atomic():
        if connection.features.has_select_for_update:  # else the transaction has locked the database already
            rows = Counter.objects.select_for_update(no_key=True).filter(key=key)
            while not list(rows.all()):
                expires_at = timezone.now() + timedelta(minutes=1)
                Counter.objects.bulk_create([Counter(key=key, hits=[], expires_at=expires_at)], ignore_conflicts=True)
        yield


_redis_at = cache(RedisCounters)
_database = DatabaseCounters()
