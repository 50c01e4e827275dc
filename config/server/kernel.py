"""What the kernel may keep of a connection, and for how long."""

import asyncio
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_NO_LINGER: Final = struct.pack("ii", 1, 0)
_USER_TIMEOUT: Final = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux only


def bound_kernel(transport: asyncio.Transport, *, send_bytes: int, stalled_s: float) -> None:
    """Bounds the bytes that the kernel takes, and the time for which it keeps them.

    It would let the buffer of a client that does not read grow to megabytes. After `stalled_s` seconds in which the
    client takes nothing, it resets the connection, even if that was closed before.
    """
    with _kernel_socket(transport) as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_bytes)
        _set_user_timeout(raw, stalled_s)


def unbound_stall(transport: asyncio.Transport) -> None:
    """Leaves the time to the system again."""
    with _kernel_socket(transport) as raw:
        _set_user_timeout(raw, 0)


def reset(transport: asyncio.Transport) -> None:
    """Ends the connection at once. The kernel drops what the client has not taken."""
    with _kernel_socket(transport) as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()


def _set_user_timeout(raw: socket.socket, seconds: float) -> None:
    if _USER_TIMEOUT is not None and raw.family in (socket.AF_INET, socket.AF_INET6):
        raw.setsockopt(socket.IPPROTO_TCP, _USER_TIMEOUT, round(seconds * 1000))


@contextmanager
def _kernel_socket(transport: asyncio.Transport) -> Iterator[socket.socket]:
    """A socket of the transport's file descriptor. uvloop's own object makes another one for each call."""
    shown: socket.socket = transport.get_extra_info("socket")
    raw = socket.socket(shown.family, shown.type, shown.proto, fileno=shown.fileno())
    try:
        yield raw
    finally:
        raw.detach()
