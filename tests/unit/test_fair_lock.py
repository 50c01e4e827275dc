"""`FairLock`, which queues the writers of SQLite."""

import threading
from collections import deque
from collections.abc import Callable

import pytest

from config.sqlite import base
from config.sqlite.base import FairLock

LONG_S = 5.0


class WatchedDeque(deque[threading.Lock]):
    """Releases `queued` each time a thread joins the queue."""

    def __init__(self) -> None:
        super().__init__()
        self.queued = threading.Semaphore(0)

    def append(self, turn: threading.Lock, /) -> None:
        super().append(turn)
        self.queued.release()


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> WatchedDeque:
    """The queue of the next lock that is made."""
    watched = WatchedDeque()
    monkeypatch.setattr(base, "deque", lambda: watched)
    return watched


def start(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_it_works() -> None:
    lock = FairLock()

    assert lock.acquire(0)
    lock.release()
    assert lock.acquire(0)


def test_it_refuses_a_second_holder() -> None:
    lock = FairLock()
    lock.acquire(0)

    assert not lock.acquire(0)
    assert not lock.acquire(0.001)


def test_it_forgets_a_thread_that_timed_out() -> None:
    lock = FairLock()
    lock.acquire(0)
    lock.acquire(0)

    lock.release()

    assert lock.acquire(0)


def test_it_passes_to_the_thread_that_has_waited_longest(queue: WatchedDeque) -> None:
    lock, order = FairLock(), []
    lock.acquire(0)

    def write(name: int) -> None:
        assert lock.acquire(LONG_S)
        order.append(name)
        lock.release()

    threads = []
    for name in range(5):
        threads.append(start(lambda name=name: write(name)))  # type: ignore[misc]
        assert queue.queued.acquire(timeout=LONG_S)
    lock.release()
    for thread in threads:
        thread.join(LONG_S)

    assert order == [0, 1, 2, 3, 4]


def test_it_makes_a_newcomer_queue(queue: WatchedDeque) -> None:
    lock, has_it, may_go = FairLock(), threading.Event(), threading.Event()
    lock.acquire(0)

    def write() -> None:
        lock.acquire(LONG_S)
        has_it.set()
        may_go.wait(LONG_S)
        lock.release()

    thread = start(write)
    assert queue.queued.acquire(timeout=LONG_S)
    lock.release()

    assert not lock.acquire(0)  # passed to the other thread, whether or not that has run yet
    assert has_it.wait(LONG_S)
    may_go.set()
    thread.join(LONG_S)
    assert lock.acquire(0)


def test_it_admits_one_thread_at_a_time() -> None:
    lock = FairLock()
    inside, most_inside = 0, 0

    def write() -> None:
        nonlocal inside, most_inside
        for _ in range(50):
            assert lock.acquire(LONG_S)
            inside += 1
            most_inside = max(most_inside, inside)
            inside -= 1
            lock.release()

    threads = [start(write) for _ in range(4)]
    for thread in threads:
        thread.join(LONG_S)

    assert (inside, most_inside) == (0, 1)
