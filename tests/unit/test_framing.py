"""Frames follow RFC 6455: the parser of websockets reads them back."""

from collections.abc import Iterator

import pytest
from websockets.extensions import Extension
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from messaging.wire.framing import Frames, frame_text

NO_EXTENSIONS: list[Extension] = []


def parse(wire: bytes) -> Iterator[Frame]:
    reader = StreamReader()
    reader.feed_data(wire)
    reader.feed_eof()
    while len(reader.buffer):
        parser = Frame.parse(reader.read_exact, mask=False, extensions=NO_EXTENSIONS)
        try:
            while True:
                next(parser)
        except StopIteration as done:
            yield done.value


def test_it_works() -> None:
    assert frame_text(b"hi") == b"\x81\x02hi"


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 70_000])
def test_it_frames_every_size_as_one_unmasked_text_frame(size: int) -> None:
    (frame,) = parse(frame_text(b"x" * size))

    assert (frame.opcode, frame.data, frame.fin) == (Opcode.TEXT, b"x" * size, True)
    assert {frame.rsv1, frame.rsv2, frame.rsv3} == {False}


def test_it_uses_the_shortest_encoding_of_the_length() -> None:
    overheads = [len(frame_text(b"x" * size)) - size for size in (125, 126, 65535, 65536)]

    assert overheads == [2, 4, 4, 10]


def test_it_joins_many_payloads_in_order() -> None:
    frames = Frames((b"one", b"", b"x" * 300))

    assert [bytes(frame.data) for frame in parse(frames.wire)] == [b"one", b"", b"x" * 300]


def test_it_joins_frames_only_once() -> None:
    frames = Frames((b"one", b"two"))

    assert frames.wire is frames.wire


def test_size_is_the_number_of_payload_bytes() -> None:
    assert Frames((b"one", "é".encode())).size == 5
    assert Frames(()).size == 0
