"""How many connections, sockets and requests there may be: in a process, and of one address. Pure, for one thread.

Each takes a place and gives it back at its end. If there is none, it is refused, with the time at which one is likely
to be free.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final

import structlog

from foundation.addresses import Network, network_of, parse_address
from foundation.errors import Overloaded
from messaging.wire.limits import Limits

LEAST_WAIT_S: Final = 1.0
MOST_WAIT_S: Final = 60.0
# Open files that are not connections of clients: databases, Redis, logs, threads.
OWN_FILES: Final = 200

_SMOOTHING: Final = 1 / 8  # the weight of the newest place in the mean time for which places are kept
_QUIET_S: Final = 60.0  # between two lines in the log about the same bound

log = structlog.get_logger(__name__)


class Places:
    """A bounded number of places. Each refusal is promised the time at which one more place is likely to be free."""

    __slots__ = ("_busy_since", "_kept_s", "_most", "_promised_until", "taken")

    def __init__(self, most: int) -> None:
        self._most = most
        self.taken = 0
        self._kept_s = 0.0  # for how long a place is kept, on average
        self._busy_since = 0.0  # when the last place was taken or, after that, one became free
        self._promised_until = 0.0

    @property
    def is_full(self) -> bool:
        return self.taken >= self._most

    def take(self, now: float) -> None:
        self.taken += 1
        if self.is_full:
            self._busy_since = now

    def free(self, now: float, *, kept_s: float) -> None:
        self.taken -= 1
        self._busy_since = now
        self._kept_s = kept_s if not self._kept_s else self._kept_s + (kept_s - self._kept_s) * _SMOOTHING

    def promise(self, now: float) -> float:
        """Returns the seconds after which to come back: later for each refusal, as fast as places become free."""
        pace_s = max(self._kept_s / self._most, now - self._busy_since)
        self._promised_until = min(max(self._promised_until, now) + pace_s, now + MOST_WAIT_S)
        return max(LEAST_WAIT_S, self._promised_until - now)


class Lease:
    """A taken place. A context manager, which releases it."""

    __slots__ = ("_address", "_bound", "_since")

    def __init__(self, bound: "Bound", address: str | None, since: float) -> None:
        self._bound: Bound | None = bound
        self._address = address
        self._since = since

    def __enter__(self) -> "Lease":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Gives the place back. Has no effect the second time."""
        bound, self._bound = self._bound, None
        if bound is not None:
            bound.free(self._address, since=self._since)


class Bound:
    """How many of one kind there may be: `total` in the process, `per_address` of one address. None for no bound."""

    def __init__(
        self, kind: str, *, now: Callable[[], float], total: int | None = None, per_address: int | None = None
    ) -> None:
        self._kind = kind
        self._now = now
        self._total = None if total is None else Places(total)
        self._per_address = per_address
        self._addresses: dict[str, Places] = {}  # those with at least one place
        self._logged_at = -_QUIET_S
        self.taken = 0

    @property
    def addresses(self) -> int:
        """The number of addresses that are counted now."""
        return len(self._addresses)

    def take(self, address: str | None) -> Lease:
        """Takes a place, of `address` too unless it is None.

        Raises `Overloaded`, with the time to come back, if there is none.
        """
        now = self._now()
        of_address = None
        if address is not None and self._per_address is not None:
            of_address = self._addresses.get(address) or Places(self._per_address)
            if of_address.is_full:
                raise self._refusal(of_address, now, "Your address has", address)
        if self._total is not None:
            if self._total.is_full:
                raise self._refusal(self._total, now, "The server has", None)
            self._total.take(now)
        if of_address is not None and address is not None:
            of_address.take(now)
            self._addresses[address] = of_address
        self.taken += 1
        return Lease(self, address, now)

    def free(self, address: str | None, *, since: float) -> None:
        """Gives back a place that was taken at `since`. `Lease.release` calls this."""
        now = self._now()
        self.taken -= 1
        if self._total is not None:
            self._total.free(now, kept_s=now - since)
        if address is not None and (places := self._addresses.get(address)) is not None:
            places.free(now, kept_s=now - since)
            if not places.taken:
                del self._addresses[address]

    def _refusal(self, places: Places, now: float, whose: str, address: str | None) -> Overloaded:
        if now - self._logged_at >= _QUIET_S:
            self._logged_at = now
            log.warning("refused for lack of places", kind=self._kind, address=address, taken=places.taken)
        return Overloaded(f"{whose} too many {self._kind}. Try again later.", retry_after=places.promise(now))


class Bounds:
    """The bounds of one process, which may open `files`. Of one of our `proxies` nothing is counted by address.

    `counts_addresses` is false for load tests, which come from one address.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        proxies: Sequence[Network],
        counts_addresses: bool,
        now: Callable[[], float],
        files: int,
    ) -> None:
        def of_address(most: int) -> int | None:
            return most if counts_addresses else None

        self._proxies = proxies
        self.counted_address = lru_cache(maxsize=4096)(self._find_counted_address)
        self.connections = Bound(
            "connections",
            now=now,
            total=max(1, min(limits.max_connections, files - OWN_FILES)),
            per_address=of_address(limits.max_connections_per_address),
        )
        self.sockets = Bound("sockets", now=now, per_address=of_address(limits.max_sockets_per_address))
        self.requests = Bound("requests under way", now=now, per_address=of_address(limits.max_requests_per_address))
        self.handled = Bound("requests under way", now=now, total=limits.max_requests)

    def address_of(self, scope: Any) -> str | None:
        """Returns the address by which a request or a socket is counted, or None if it is not.

        `client` of `scope` is the address that our proxies say (`config.forwarded`).
        """
        return self.counted_address(scope["client"][0] if scope["client"] else None)

    def _find_counted_address(self, host: str | None) -> str | None:
        """Returns what `host` is counted by: an IPv4 address, the /64 of an IPv6 address, or else the text.

        None if it is not counted: a proxy of ours, or not known, as on a Unix socket.
        """
        if host is None:
            return None
        address = parse_address(host)
        if address is None:
            return host[:64]
        return None if any(address in network for network in self._proxies) else network_of(address)
