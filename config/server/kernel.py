"""What the kernel may keep of a connection, and for how long."""

import asyncio
import socket
import struct
from typing import Final

_NO_LINGER: Final = struct.pack("ii", 1, 0)
_USER_TIMEOUT: Final = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux only


def bound_send_buffer(transport: asyncio.Transport, size: int) -> None:
    """Bounds the bytes that the kernel takes. It would let the buffer of a client that does not read grow to megabytes.

    (The kernel doubles `size`, for its own needs.)
    """
    raw: socket.socket | None = transport.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)


def bound_stall(transport: asyncio.Transport, seconds: float) -> None:
    """Lets the kernel reset the connection if the client takes nothing for so long; 0 for the time of the system.

    This holds even after the connection is closed, for what the kernel still has.
    """
    raw: socket.socket | None = transport.get_extra_info("socket")
    if raw is not None and raw.family in (socket.AF_INET, socket.AF_INET6) and _USER_TIMEOUT is not None:
        raw.setsockopt(socket.IPPROTO_TCP, _USER_TIMEOUT, round(seconds * 1000))


def reset(transport: asyncio.Transport) -> None:
    """Ends the connection at once. The kernel drops what the client has not taken."""
    raw: socket.socket | None = transport.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()
