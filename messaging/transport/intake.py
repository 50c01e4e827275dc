"""How fast one connection is read: its bytes, frames and control frames in budgets. Pure.

A client that sends more than its budgets is read more slowly. One that goes on for too long is cut. The frames are
counted before they are parsed, because parsing is what costs.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from messaging.wire.limits import Limits

# Frames that are parsed in one step of the loop. The loop serves everybody else between two steps.
FRAMES_PER_STEP: Final = 16

_OPCODE, _CONTROL, _MASK, _LENGTH = 0x0F, 0x08, 0x80, 0x7F


class Scanner(Protocol):
    """Finds where the units end that are counted and parsed one after the other."""

    def scan(self, data: bytes, *, most: int) -> tuple[int, int, int]:
        """Returns how many bytes of `data` hold at most `most` new units, and how many units, and units of control,
        begin there.
        """


class FrameScanner:
    """Finds where frames end in a stream of bytes, without parsing them (RFC 6455, section 5.2)."""

    __slots__ = ("_header", "_left")

    def __init__(self) -> None:
        self._header = b""  # the beginning of a header whose rest has not arrived
        self._left = 0  # bytes of the present frame that have not arrived

    def scan(self, data: bytes | bytearray, *, most: int) -> tuple[int, int, int]:
        """Returns how many bytes of `data` belong to at most `most` new frames, and how many frames and control frames
        begin there.

        The rest of a frame that began earlier belongs to them without being counted.
        """
        position = min(self._left, len(data))
        self._left -= position
        frames = controls = 0
        while position < len(data) and frames < most:
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


class Allowance:
    """A token bucket that may go into debt: what has arrived has arrived, and the debt says how long not to read."""

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
        "_patience_s", "_per_step", "_scanner", "_timer",
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
        self._timer: asyncio.Handle | None = None
        self._debt_since: float | None = None

    @property
    def is_full(self) -> bool:
        """Whether no more should be read from the connection now."""
        return bool(self._backlog) or self._timer is not None

    def put(self, data: bytes) -> None:
        """Takes bytes that have been read."""
        self._backlog = self._backlog + data if self._backlog else data
        if self._timer is None:
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

    def _spend(self, *amounts: int) -> float:
        """Returns the seconds for which the client must wait, after these bytes, frames and control frames."""
        now, wait_s = self._loop.time(), 0.0
        if self._debt_since is not None and all(budget.has_recovered(now=now) for budget in self._budgets):
            self._debt_since = None
        for budget, amount in zip(self._budgets, amounts, strict=False):
            wait_s = max(wait_s, budget.spend(amount, now=now))
        if wait_s and self._debt_since is None:
            self._debt_since = now
        if self._debt_since is not None and now - self._debt_since >= self._patience_s:
            self._on_flood()
        return wait_s
