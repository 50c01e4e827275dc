"""A token bucket that may go into debt. Pure: the time is passed in."""


class Allowance:
    """Holds at most `burst` tokens and gains `per_s` tokens a second.

    It may go into debt: what has arrived has arrived, and the debt says how long to take no more. `now` is in seconds.
    """

    __slots__ = ("_burst", "_level", "_per_s", "_since")

    def __init__(self, *, per_s: float, burst: float, now: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._level = burst
        self._since = now

    def has_recovered(self, *, now: float) -> bool:
        """Whether at least half of the burst is there again."""
        return self._level + (now - self._since) * self._per_s >= self._burst / 2

    def spend(self, amount: float, *, now: float) -> float:
        """Takes `amount` tokens. Returns the seconds until the debt is paid, or 0.0 if there is none."""
        self._level = min(self._burst, self._level + (now - self._since) * self._per_s) - amount
        self._since = now
        return max(0.0, -self._level / self._per_s)
