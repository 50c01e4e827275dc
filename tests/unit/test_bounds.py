"""How many there may be of a kind, in the process and of one address."""

from ipaddress import ip_network
from typing import Any

import pytest

from config.server.bounds import MOST_WAIT_S, Bound, Bounds
from foundation.errors import Overloaded
from messaging.wire.limits import Limits


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def refusal(bound: Bound, address: str | None = None) -> float:
    """Returns for how many seconds one more is refused."""
    with pytest.raises(Overloaded) as refused:
        bound.take(address)
    assert refused.value.retry_after is not None
    return refused.value.retry_after


def test_it_works(clock: Clock) -> None:
    bound = Bound("sockets", now=clock, total=3, per_address=2)

    first = bound.take("a")
    bound.take("a")
    refusal(bound, "a")
    other = bound.take("b")
    refusal(bound, "b")  # the process is full
    assert (bound.taken, bound.addresses) == (3, 2)

    first.release()
    first.release()  # has no effect
    bound.take("a")
    assert bound.taken == 3

    other.release()
    assert bound.addresses == 1


def test_a_refusal_takes_nothing(clock: Clock) -> None:
    bound = Bound("requests", now=clock, total=1, per_address=1)
    with bound.take("a"):
        refusal(bound, "a")
        refusal(bound, "b")
        refusal(bound)
        assert (bound.taken, bound.addresses) == (1, 1)
    assert (bound.taken, bound.addresses) == (0, 0)
    bound.take("b")


def test_it_gives_the_place_back_after_an_exception(clock: Clock) -> None:
    bound = Bound("requests", now=clock, per_address=1)
    with pytest.raises(ZeroDivisionError), bound.take("a"):
        raise ZeroDivisionError
    assert (bound.taken, bound.addresses) == (0, 0)


def test_an_address_that_is_not_known_counts_for_the_process_only(clock: Clock) -> None:
    bound = Bound("requests", now=clock, total=3, per_address=1)
    for _ in range(3):
        bound.take(None)
    refusal(bound)


def test_each_refusal_gets_a_later_time(clock: Clock) -> None:
    """Places are kept for 10 s, and there are two: one becomes free every 5 s."""
    bound = Bound("requests", now=clock, total=2)
    for _ in range(3):
        lease = bound.take(None)
        clock.now += 10
        lease.release()
    bound.take(None)
    bound.take(None)

    assert [refusal(bound) for _ in range(3)] == [5, 10, 15]
    clock.now += 5
    assert refusal(bound) == 15
    assert [refusal(bound) for _ in range(100)][-1] == MOST_WAIT_S


def test_the_time_is_true(clock: Clock) -> None:
    """Clients that come back at their time find a place, while each place is kept for as long as before."""
    most, kept_s = 5, 2.0
    bound = Bound("requests", now=clock, total=most)
    ends: list[tuple[float, Any]] = []
    comes: list[float] = [0.0] * 40
    tries = 0
    while comes:
        comes.sort()
        clock.now = comes.pop(0)
        for end, lease in [entry for entry in ends if entry[0] <= clock.now]:
            ends.remove((end, lease))
            lease.release()
        tries += 1
        try:
            ends.append((clock.now + kept_s, bound.take(None)))
        except Overloaded as error:
            comes.append(clock.now + (error.retry_after or 0))
    assert tries < 40 * 5
    assert clock.now < 2.5 * 40 * kept_s / most


def test_it_says_so_if_no_place_becomes_free(clock: Clock) -> None:
    bound = Bound("requests", now=clock, total=1)
    bound.take(None)
    assert refusal(bound) == 1
    clock.now += 20
    assert refusal(bound) == 20


def bounds(proxies: str = "127.0.0.1", *, counts_addresses: bool = True, files: int = 10_000, **limits: Any) -> Bounds:
    return Bounds(
        Limits(**limits),
        proxies=[ip_network(proxies)],
        counts_addresses=counts_addresses,
        now=Clock(),
        files=files,
    )


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("unknown", "unknown"),
        ("x" * 1000, "x" * 64),
        ("10.1.2.3", None),
        ("::ffff:10.1.2.3", None),
        (None, None),
    ],
)
def test_it_counts_by_address_but_not_its_proxies(host: str | None, counted: str | None) -> None:
    counting = bounds("10.0.0.0/8")
    assert counting.counted_address(host) == counted
    assert counting.address_of({"client": host and (host, 1), "headers": []}) == counted


def test_it_counts_no_address_without_rate_limits() -> None:
    unbounded = bounds(
        counts_addresses=False,
        max_connections=3,
        max_connections_per_address=1,
        max_sockets_per_address=1,
        max_requests=3,
        max_requests_per_address=1,
    )
    for bound in (unbounded.connections, unbounded.sockets, unbounded.requests, unbounded.handled):
        for _ in range(3):
            bound.take("192.0.2.1")
    refusal(unbounded.connections)
    refusal(unbounded.handled)


def test_it_leaves_files_for_itself() -> None:
    assert bounds(files=201).connections.take(None)
    bound = bounds(files=202).connections
    bound.take(None)
    bound.take(None)
    refusal(bound)
