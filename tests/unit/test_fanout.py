"""`fan_out`: the same bytes to many connections."""

import socket

from messaging.fanout.delivery import fan_out
from messaging.fanout.feed import Outlet

WIRE = b"0123456789"


class Kernel:
    """Takes up to `room` bytes of what it is sent, or raises."""

    def __init__(self, room: int | OSError = 10) -> None:
        self.taken = b""
        self._room = room

    def send(self, wire: bytes) -> int:
        if isinstance(self._room, OSError):
            raise self._room
        self.taken = wire[: self._room]
        return len(self.taken)


def outlets(*kernels: Kernel) -> list[Outlet]:
    return [kernel.send for kernel in kernels]


def test_it_works() -> None:
    kernels = [Kernel() for _ in range(3)]
    assert fan_out(outlets(*kernels), WIRE) == [10, 10, 10]
    assert [kernel.taken for kernel in kernels] == [WIRE] * 3


def test_it_accepts_no_outlets() -> None:
    assert fan_out([], WIRE) == []


def test_it_returns_how_many_bytes_each_took() -> None:
    assert fan_out(outlets(Kernel(), Kernel(3), Kernel(0), Kernel()), WIRE) == [10, 3, 0, 10]


def test_it_goes_on_after_a_full_or_broken_outlet() -> None:
    last = Kernel()
    given = [Kernel(BlockingIOError()), Kernel(), Kernel(BrokenPipeError()), Kernel(OSError()), last]
    assert fan_out(outlets(*given), WIRE) == [0, 10, 0, 0, 10]
    assert last.taken == WIRE


def test_it_ends_after_a_last_outlet_that_is_full() -> None:
    assert fan_out(outlets(Kernel(), Kernel(BlockingIOError())), WIRE) == [10, 0]


def test_it_writes_into_sockets() -> None:
    pairs = [socket.socketpair() for _ in range(3)]
    pairs[1][0].close()
    try:
        assert fan_out([writer.send for writer, _ in pairs], WIRE) == [10, 0, 10]
        assert [pairs[place][1].recv(100) for place in (0, 2)] == [WIRE] * 2
    finally:
        for pair in pairs:
            for end in pair:
                end.close()
