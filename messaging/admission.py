"""Whether a handshake may wait for its turn, and when one that is turned away should come back. Pure."""

import asyncio
import random
from typing import Any, Final

from messaging.batching import Batcher

MOST_S: Final = 30.0  # the longest time that a client has to stay away


class Admission:
    """Bounds the handshakes that wait in `batcher`: by their number, and by the time that they would wait.

    Those who are turned away get turns one after the other behind those who wait, so that they do not come back
    together: at the rate at which handshakes are done, or at `per_s` until that is known. Use it only on `loop`.
    """

    def __init__(
        self,
        batcher: Batcher[Any, Any],
        *,
        loop: asyncio.AbstractEventLoop,
        most_waiting: int,
        most_wait_s: float,
        per_s: float,
    ) -> None:
        self._batcher = batcher
        self._loop = loop
        self._most_waiting = most_waiting
        self._most_wait_s = most_wait_s
        self._per_s = per_s
        self._last_turn = 0.0  # in the loop's time, of those who were turned away

    @property
    def is_full(self) -> bool:
        """Whether the next handshake must be turned away, because it would not be done in time."""
        return self._batcher.waiting >= self._most_waiting or self._batcher.wait_s > self._most_wait_s

    def turn_away(self, *, at_least_s: float = 0.0) -> float:
        """Returns the seconds after which a client that is turned away now should come back."""
        now = self._loop.time()
        pause_s = 1 / (self._batcher.per_s or self._per_s)
        turn = max(self._last_turn, now + max(self._batcher.wait_s, at_least_s)) + pause_s
        if turn - now > MOST_S:  # all turns up to there are given
            return random.uniform(MOST_S / 2, MOST_S)  # noqa: S311
        self._last_turn = turn
        return (turn - now) * random.uniform(1.0, 1.1)  # noqa: S311
