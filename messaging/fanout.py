"""The same bytes into many connections, one call of the kernel for each. Pure."""

from collections.abc import Callable, Iterable
from itertools import repeat
from operator import call

Outlet = Callable[[bytes], int]
"""Sends what goes at once, and tells how much that was. Raises `OSError` where nothing goes."""


def fan_out(outlets: Iterable[Outlet], wire: bytes) -> list[int]:
    """How much of `wire` went into each; nothing where it is full or broken.

    The loop is not the interpreter's, which drives the kernel's code and data from the processor's caches between two
    calls (docs/decisions/0011-speed.md).
    """
    sent: list[int] = []
    sends = map(call, outlets, repeat(wire))
    while True:
        try:
            sent.extend(sends)
        except OSError:  # `sends` goes on with the next
            sent.append(0)
        else:
            return sent
