"""How fast one connection is read: its bytes, frames and control frames in budgets. Pure.

A client that sends more than its budgets is read more slowly. One that goes on for too long is cut. The frames are
counted before they are parsed, because parsing is what costs.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from foundation.allowance import Allowance
from messaging.wire.limits import Limits

# Frames that are parsed in one step of the loop. The loop serves everybody else between two steps.
FRAMES_PER_STEP: Final = 16
# Small frames that are paid for together, because paying for one costs more than looking for its end.
PREPAID_FRAMES: Final = 16

_TEXT = 0x81  # a text frame that is not a fragment
_CONTROL, _MASK, _LENGTH = 0x08, 0x80, 0x7F
_SMALL_BYTES: Final = 131  # the most that a small frame has, with its header
_NEVER: Final = 2**63


class Scanner(Protocol):
    """Finds where the units end that are counted and parsed one after the other."""

    def scan(self, data: bytes, *, most: int) -> tuple[int, int, int]:
        """Returns how many bytes of `data` hold at most `most` new units, and how many units, and units of control,
        begin there.
        """

    def is_small_frame(self, data: bytes) -> bool:
        """Whether `data` is exactly one unit, of those that are small and frequent."""


class FrameScanner:
    """Finds where frames end in a stream of bytes, without parsing them (RFC 6455, section 5.2)."""

    __slots__ = ("_header", "_left")

    def __init__(self) -> None:
        self._header = b""  # the beginning of a header whose rest has not arrived
        self._left = 0  # bytes of the present frame that have not arrived

    def is_small_frame(self, data: bytes) -> bool:
        """Whether `data` is one text frame of at most 125 bytes, whole, as most reads of a connection are."""
        return not self._left and not self._header and data[0] == _TEXT and _end_of_small(data, 0) == len(data)

    def scan(self, data: bytes | bytearray, *, most: int) -> tuple[int, int, int]:
        """Returns how many bytes of `data` belong to at most `most` new frames, and how many frames and control frames
        begin there.

        The rest of a frame that began earlier belongs to them without being counted.
        """
        position = min(self._left, len(data))
        self._left -= position
        frames = controls = 0
        while position < len(data) and frames < most:
            if not self._header and data[position] == _TEXT and (end := _end_of_small(data, position)) <= len(data):
                position = end
                frames += 1
                continue
            header = self._header + bytes(data[position : position + 14 - len(self._header)])
            size = _header_size(header)
            if size is None:
                self._header = header
                return len(data), frames, controls
            position += size - len(self._header)
            self._header = b""
            frames += 1
            controls += bool(header[0] & _CONTROL)
            length = _payload_size(header)
            taken = min(length, len(data) - position)
            position += taken
            self._left = length - taken
        return position, frames, controls


def _end_of_small(data: bytes | bytearray, start: int) -> int:
    """Returns where the masked frame of at most 125 bytes that begins at `start` ends, or `_NEVER` for any other."""
    if start + 1 < len(data) and _MASK <= (size := data[start + 1]) < _MASK + 126:
        return start + size - _MASK + 6
    return _NEVER


def _header_size(header: bytes) -> int | None:
    """Returns the size of a frame's header with its mask, or None if not all of it is there."""
    if len(header) < 2:
        return None
    size = 2 + {126: 2, 127: 8}.get(header[1] & _LENGTH, 0) + (4 if header[1] & _MASK else 0)
    return size if len(header) >= size else None


def _payload_size(header: bytes) -> int:
    length = header[1] & _LENGTH
    if length == 126:
        return int.from_bytes(header[2:4], "big")
    if length == 127:
        return int.from_bytes(header[2:10], "big")
    return length


def budgets_of(limits: Limits, *, now: float) -> tuple[Allowance, Allowance, Allowance]:
    """Returns the budgets of a connection: bytes, frames, control frames."""
    return (
        Allowance(per_s=limits.bytes_per_s, burst=limits.bytes_burst, now=now),
        Allowance(per_s=limits.frames_per_s, burst=limits.frames_burst, now=now),
        Allowance(per_s=limits.control_frames_per_s, burst=limits.control_frames_burst, now=now),
    )


class Intake:
    """Passes the bytes of one connection to `parse`, as fast as its budgets allow and a few frames in each step.

    A `scanner` finds the frames, of which `per_step` at most are parsed in one step of the loop.
    `is_paused` says whether the application wants no more now; call `resume` when it does again. `on_changed` is called
    after `is_full` may have changed. `on_flood` is called if the client has gone over its `budgets` (of bytes, frames
    and control frames; none for no bounds) and has not let them recover within `patience_s` seconds.
    """

    __slots__ = (
        "_backlog", "_budgets", "_debt_since", "_is_paused", "_loop", "_on_changed", "_on_flood", "_parse",
        "_patience_s", "_per_step", "_prepaid", "_scanner", "_timer",
    )  # fmt: skip

    def __init__(
        self,
        *,
        parse: Callable[[bytes], None],
        is_paused: Callable[[], bool],
        on_changed: Callable[[], None],
        on_flood: Callable[[], None],
        budgets: Sequence[Allowance],
        patience_s: float,
        loop: asyncio.AbstractEventLoop,
        scanner: Scanner | None = None,
        per_step: int = FRAMES_PER_STEP,
    ) -> None:
        self._parse = parse
        self._is_paused = is_paused
        self._on_changed = on_changed
        self._on_flood = on_flood
        self._budgets = budgets
        self._patience_s = patience_s
        self._loop = loop
        self._scanner = scanner or FrameScanner()
        self._per_step = per_step
        self._backlog = b""
        self._prepaid = 0  # small frames that are paid for and have not arrived
        self._timer: asyncio.Handle | None = None
        self._debt_since: float | None = None

    @property
    def is_full(self) -> bool:
        """Whether no more should be read from the connection now."""
        return bool(self._backlog) or self._timer is not None

    def put(self, data: bytes) -> None:
        """Takes bytes that have been read."""
        if self.is_full:
            self._backlog += data
        elif self._scanner.is_small_frame(data) and not self._is_paused() and self._pay_for_small():
            self._parse(data)
        else:
            self._backlog = data
            self._step()

    def resume(self) -> None:
        """Continues after the application wanted no more."""
        if self._backlog and self._timer is None:
            self._step()

    def stop(self) -> None:
        """Drops the bytes that were not parsed yet."""
        self._backlog = b""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _step(self) -> None:
        if self._is_paused():
            return
        end, frames, controls = self._scanner.scan(self._backlog, most=self._per_step)
        if end == len(self._backlog):
            chunk, self._backlog = self._backlog, b""
        else:
            chunk, self._backlog = self._backlog[:end], self._backlog[end:]
        wait_s = self._spend(len(chunk), frames, controls)
        if self._is_flood():
            self._on_flood()
            return
        if wait_s:
            self._timer = self._loop.call_later(wait_s, self._continue)
        elif self._backlog:
            self._timer = self._loop.call_soon(self._continue)
        self._parse(chunk)

    def _continue(self) -> None:
        self._timer = None
        if self._backlog:
            self._step()
        self._on_changed()

    def _pay_for_small(self) -> bool:
        """Pays for one small frame. Returns false if the client must wait for it."""
        if not self._prepaid:
            if self._debt_since is not None or self._spend(PREPAID_FRAMES * _SMALL_BYTES, PREPAID_FRAMES, 0):
                return False
            self._prepaid = PREPAID_FRAMES
        self._prepaid -= 1
        return True

    def _spend(self, *amounts: int) -> float:
        """Returns the seconds for which the client must wait, after these bytes, frames and control frames."""
        now, wait_s = self._loop.time(), 0.0
        if self._debt_since is not None and all(budget.has_recovered(now=now) for budget in self._budgets):
            self._debt_since = None
        for budget, amount in zip(self._budgets, amounts, strict=False):
            wait_s = max(wait_s, budget.spend(amount, now=now))
        if wait_s and self._debt_since is None:
            self._debt_since = now
        return wait_s

    def _is_flood(self) -> bool:
        return self._debt_since is not None and self._loop.time() - self._debt_since >= self._patience_s
