"""The bound on what the feeds of one process hold in memory together. Pure."""

from collections import OrderedDict

from messaging.fanout.feed import Feed


class Budget:
    """Counts the bytes that feeds hold; past `max_bytes` the least recently active feeds drop all that they hold.

    What they drop is still in their rooms' logs. An update costs the same however many feeds there are: only feeds that
    hold something are in the list, and each of them is dropped from it at most once for each time it is put there.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._held: OrderedDict[Feed, int] = OrderedDict()  # the least recently active feed first

    def update(self, feed: Feed) -> None:
        """Counts what `feed` holds now, and makes it the most recently active."""
        self.discard(feed)
        if size := feed.held_bytes:
            self._held[feed] = size
            self._bytes += size
        while self._bytes > self._max_bytes:
            oldest, size = self._held.popitem(last=False)
            self._bytes -= size
            oldest.drop_held()

    def discard(self, feed: Feed) -> None:
        """Stops counting `feed`."""
        self._bytes -= self._held.pop(feed, 0)
