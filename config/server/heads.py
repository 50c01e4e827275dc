"""Finds where the heads of HTTP requests end, so that few requests are parsed at a time. Pure."""

from typing import Final

PIECE_BYTES: Final = 16 * 1024  # that are parsed at most in one step of the loop
BODY_PIECE_BYTES: Final = 1024  # that are parsed at least, if there are as many: a body may be full of empty lines

_END: Final = b"\r\n\r\n"


class HeadScanner:
    """Cuts the bytes of a connection into pieces with one complete head at most (RFC 9112, section 2.1).

    `in_body` says that the next bytes belong to a body. The pieces are then larger, so that the last one may hold more
    heads.
    """

    __slots__ = ("in_body",)

    def __init__(self) -> None:
        self.in_body = False

    def is_small_frame(self, data: bytes) -> bool:
        return False

    def scan(self, data: bytes, *, most: int) -> tuple[int, int, int]:
        """Returns the size of the next piece of `data`, and 1 if a head may end in it. `most` must be 1."""
        found = data.find(_END, BODY_PIECE_BYTES if self.in_body else 0, PIECE_BYTES)
        if found < 0:
            return min(len(data), PIECE_BYTES), 0, 0
        end = found + len(_END)
        if end == len(data):
            return end, 1, 0
        rest = data[end:PIECE_BYTES]
        end += len(rest) - len(rest.lstrip(b"\r\n"))  # a parser skips empty lines before a request
        if data.find(_END, end, PIECE_BYTES) < 0:
            return min(len(data), PIECE_BYTES), 1, 0
        return end, 1, 0
