"""The counters of allauth's rate limits, in the database."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from allauth.core.internal.ratelimit import cache_lock
from django.core.cache import cache
from django.db import connections
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import Counter

pytestmark = pytest.mark.django_db


def hit(key: str, most: int) -> bool:
    """Counts a hit as allauth does, unless there have been `most`. Returns whether it counted."""
    with cache_lock(key) as is_locked:
        assert is_locked
        hits = cache.get(key, [])
        if is_counted := len(hits) < most:
            cache.set(key, [*hits, 1.5], 60)
    return is_counted


def at_once(times: int, work: Callable[[], bool]) -> list[bool]:
    def run(_: int) -> bool:
        try:
            return work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(run, range(times)))


def test_it_works() -> None:
    assert cache.get("name", []) == []

    assert [hit("name", 2) for _ in range(3)] == [True, True, False]

    assert cache.get("name") == [1.5, 1.5]
    assert cache.get("other") is None
    assert cache.delete("name")
    assert not cache.delete("name")
    assert hit("name", 2)


def test_a_counter_ends_with_its_time() -> None:
    hit("name", 1)
    Counter.objects.update(expires_at=timezone.now())

    assert cache.get("name") is None
    assert hit("name", 1)


def test_it_forgets_nothing_for_others() -> None:
    hit("name", 1)
    for number in range(400):
        hit(f"other {number}", 1)

    assert not hit("name", 1)


def test_it_deletes_what_has_expired() -> None:
    for number in range(150):
        hit(f"other {number}", 1)
    Counter.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    hit("name", 1)
    hit("name", 2)

    assert [row.key.rpartition(":")[2] for row in Counter.objects.all()] == ["name"]


def test_a_refusal_writes_nothing(django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    hit("name", 1)

    with django_assert_max_num_queries(4) as counted:  # with BEGIN and COMMIT, which are savepoints here
        assert not hit("name", 1)

    assert {query["sql"].split()[0] for query in counted.captured_queries} <= {"SAVEPOINT", "SELECT", "RELEASE"}


@pytest.mark.django_db(transaction=True)
def test_no_more_count_at_once_than_one_after_the_other() -> None:
    assert at_once(50, lambda: hit("name", 5)).count(True) == 5
