"""The entries of one room that a feed keeps in memory: the newest ones, and those that arrived ahead of a hole. Pure.

Everything here is also in the room's log, so it may be dropped at any time.
"""

from collections import deque
from collections.abc import Iterable

from rooms.notices import RoomNotice

MAX_PARKED = 1_000


class Ring:
    """The newest entries of a room, without holes, at most `max_frames` of them and at most `max_bytes` of payload."""

    __slots__ = ("_max_bytes", "_max_frames", "bytes", "notices")

    def __init__(self, *, max_frames: int, max_bytes: int) -> None:
        self.notices: deque[RoomNotice] = deque()  # the oldest first
        self._max_frames = max_frames
        self._max_bytes = max_bytes
        self.bytes = 0

    def extend(self, notices: Iterable[RoomNotice]) -> None:
        """Appends `notices`, which follow what the ring holds, and drops the oldest until it is within its bounds."""
        for notice in notices:
            if notice.covers_from is not None:
                self.clear()  # what came before the gap is not contiguous with what comes after it
                continue
            if notice.revises:
                self._drop_message(notice.message_id)
            self.notices.append(notice)
            self.bytes += len(notice.payload)
        while len(self.notices) > self._max_frames or self.bytes > self._max_bytes:
            self._drop_oldest()

    def after(self, cursor: int, *, max_bytes: int) -> list[RoomNotice] | None:
        """Returns the entries right after `cursor`: at least one, and no more than fit in `max_bytes`.

        Returns None if the ring does not reach back to `cursor`. `cursor` is below the newest seq.
        """
        if not self.notices or self.notices[0].seq > cursor + 1:
            return None
        found: list[RoomNotice] = []
        size = 0
        for index in range(cursor + 1 - self.notices[0].seq, len(self.notices)):
            notice = self.notices[index]
            size += len(notice.payload)
            if found and size > max_bytes:
                break
            found.append(notice)
        return found

    def clear(self) -> None:
        self.notices.clear()
        self.bytes = 0

    def _drop_message(self, message_id: int | None) -> None:
        """Drops the frames that show an earlier state of a message, and everything before them.

        A replay must not show text that has been edited or deleted.
        """
        while any(notice.message_id == message_id for notice in self.notices):
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        self.bytes -= len(self.notices.popleft().payload)


class Parked:
    """Entries that arrived ahead of those they follow: at most `MAX_PARKED`, and at most `max_bytes` of payload."""

    __slots__ = ("_max_bytes", "_notices", "bytes")

    def __init__(self, *, max_bytes: int) -> None:
        self._notices: dict[int, RoomNotice] = {}
        self._max_bytes = max_bytes
        self.bytes = 0

    def put(self, notice: RoomNotice) -> None:
        """Keeps `notice` in place of an earlier one with the same seq. `bound` is to be called afterwards."""
        if notice.seq in self._notices:
            self.pop(notice.seq)
        self._notices[notice.seq] = notice
        self.bytes += len(notice.payload)

    def pop(self, seq: int) -> RoomNotice | None:
        notice = self._notices.pop(seq, None)
        if notice is not None:
            self.bytes -= len(notice.payload)
        return notice

    def drop_through(self, seq: int) -> None:
        """Drops everything up to and including `seq`."""
        for parked in [parked for parked in self._notices if parked <= seq]:
            self.pop(parked)

    def bound(self) -> None:
        """Drops the highest seqs until the rest is within the bounds: the lowest are needed first."""
        if self._is_over:
            for seq in sorted(self._notices, reverse=True):
                self.pop(seq)
                if not self._is_over:
                    return

    def clear(self) -> None:
        self._notices.clear()
        self.bytes = 0

    @property
    def _is_over(self) -> bool:
        return len(self._notices) > MAX_PARKED or self.bytes > self._max_bytes
