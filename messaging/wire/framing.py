"""Encodes WebSocket frames of a server: text, unmasked and unfragmented (RFC 6455, section 5.2). Pure."""

import struct

_TEXT = 0x81  # FIN, opcode 1


def frame_text(payload: bytes) -> bytes:
    """Returns `payload`, which is UTF-8, as one frame."""
    size = len(payload)
    if size < 126:
        return bytes((_TEXT, size)) + payload
    if size < 65536:
        return struct.pack("!BBH", _TEXT, 126, size) + payload
    return struct.pack("!BBQ", _TEXT, 127, size) + payload


class Frames:
    """Payloads that are sent together to any number of sockets. They are framed and joined once."""

    __slots__ = ("payloads", "size", "wire")

    def __init__(self, payloads: tuple[bytes, ...]) -> None:
        self.payloads = payloads
        self.size = sum(map(len, payloads))
        self.wire = b"".join(map(frame_text, payloads))
