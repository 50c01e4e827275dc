"""The intake of a connection: where frames end, and how fast they are read."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from foundation.allowance import Allowance
from messaging.transport.intake import FRAMES_PER_STEP, PREPAID_FRAMES, FrameScanner, Intake
from tests.unit.virtual_time import run

PING = b"\x89\x80\x00\x00\x00\x00"  # masked and empty, as a client sends it


def frame(size: int, *, opcode: int = 1, is_masked: bool = True) -> bytes:
    mask = 0x80 if is_masked else 0
    if size < 126:
        head = bytes((0x80 | opcode, mask | size))
    elif size < 65_536:
        head = bytes((0x80 | opcode, mask | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x80 | opcode, mask | 127)) + size.to_bytes(8, "big")
    return head + (b"mask" if is_masked else b"") + b"x" * size


# -- the scanner --------------------------------------------------------------------------------------------------


def test_it_works() -> None:
    data = frame(5) + PING + frame(300) + frame(70_000)

    assert FrameScanner().scan(data, most=10) == (len(data), 4, 1)


def test_it_stops_behind_the_last_frame_that_it_may_take() -> None:
    scanner = FrameScanner()
    data = frame(5) * 3

    assert scanner.scan(data, most=2) == (2 * len(frame(5)), 2, 0)
    assert scanner.scan(data[2 * len(frame(5)) :], most=2) == (len(frame(5)), 1, 0)


SIZES = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 5, 125, 126, 127, 300, 65_535, 65_536, 70_000]),
        st.sampled_from([0, 1, 2, 8, 9, 10]),
        st.booleans(),
    ),
    min_size=1,
    max_size=12,
)


@given(sizes=SIZES, cuts=st.lists(st.integers(1, 40), max_size=60), most=st.integers(1, 20))
def test_it_finds_the_same_frames_however_they_are_cut(
    sizes: list[tuple[int, int, bool]], cuts: list[int], most: int
) -> None:
    data = b"".join(frame(size, opcode=opcode, is_masked=is_masked) for size, opcode, is_masked in sizes)
    ends = [len(b"".join(frame(s, opcode=o, is_masked=m) for s, o, m in sizes[:n])) for n in range(len(sizes) + 1)]
    scanner, position, frames, controls = FrameScanner(), 0, 0, 0
    pieces = iter([*cuts, *[len(data)] * (len(sizes) + 1)])
    waiting = b""
    while position < len(data):
        arrived = position + len(waiting)
        waiting += data[arrived : arrived + next(pieces)]
        taken, begun, control = scanner.scan(waiting, most=most)
        assert begun <= most
        if begun == most and taken < len(waiting):
            assert position + taken in ends
        position, waiting = position + taken, waiting[taken:]
        frames, controls = frames + begun, controls + control

    assert (frames, controls) == (len(sizes), sum(opcode >= 8 for _, opcode, _ in sizes))


# -- the intake ---------------------------------------------------------------------------------------------------


class Reader:
    """An application that takes what the intake parses."""

    def __init__(self, *, per_s: float = 100, burst: float = 400, patience_s: float = 10.0, **options: Any) -> None:
        self.parsed: list[bytes] = []
        self.is_busy = False
        self.floods = 0
        self.loop = asyncio.get_running_loop()
        budgets: Sequence[Allowance] = [
            Allowance(per_s=1e9, burst=1e9, now=0.0),
            Allowance(per_s=per_s, burst=burst, now=self.loop.time()),
        ]
        self.intake = Intake(
            parse=self.parse,
            is_paused=lambda: self.is_busy,
            on_changed=lambda: None,
            on_flood=self.flood,
            budgets=budgets,
            patience_s=patience_s,
            loop=self.loop,
        )
        self.on_parse: Callable[[], None] = lambda: None

    def parse(self, data: bytes) -> None:
        self.parsed.append(data)
        self.on_parse()

    def flood(self) -> None:
        self.floods += 1
        self.intake.stop()


def test_it_parses_what_is_within_the_budgets_at_once() -> None:
    async def story() -> None:
        reader = Reader()
        reader.intake.put(frame(5) + PING)

        assert reader.parsed == [frame(5) + PING]
        assert not reader.intake.is_full

    run(story())


def test_it_parses_a_few_frames_in_each_step() -> None:
    async def story() -> None:
        reader = Reader()
        reader.intake.put(PING * (3 * FRAMES_PER_STEP))

        assert reader.parsed == [PING * FRAMES_PER_STEP]
        assert reader.intake.is_full
        await asyncio.sleep(0.001)
        assert reader.parsed == [PING * FRAMES_PER_STEP] * 3
        assert not reader.intake.is_full

    run(story())


def test_it_reads_more_slowly_past_the_budgets() -> None:
    async def story() -> None:
        reader = Reader(per_s=10, burst=FRAMES_PER_STEP)
        reader.intake.put(PING * (2 * FRAMES_PER_STEP))
        await asyncio.sleep(0.001)

        assert len(reader.parsed) == 2
        assert reader.intake.is_full
        await asyncio.sleep(FRAMES_PER_STEP / 10 + 0.01)
        assert not reader.intake.is_full

    run(story())


def test_it_parses_no_more_while_the_application_is_busy() -> None:
    async def story() -> None:
        reader = Reader()
        reader.on_parse = lambda: setattr(reader, "is_busy", True)
        reader.intake.put(PING * (2 * FRAMES_PER_STEP))
        await asyncio.sleep(1)
        assert len(reader.parsed) == 1

        reader.is_busy = False
        reader.intake.resume()
        assert len(reader.parsed) == 2

    run(story())


def test_it_reports_a_client_that_goes_on_past_its_budgets() -> None:
    async def story() -> None:
        reader = Reader(per_s=10, burst=10, patience_s=5)
        for _ in range(100):
            if not reader.floods and not reader.intake.is_full:
                reader.intake.put(PING * FRAMES_PER_STEP)
            await asyncio.sleep(0.2)

        assert reader.floods == 1

    run(story())


def test_it_does_not_report_a_burst() -> None:
    async def story() -> None:
        reader = Reader(per_s=10, burst=10, patience_s=5)
        for _ in range(10):
            reader.intake.put(PING * 40)
            await asyncio.sleep(10)

        assert reader.floods == 0

    run(story())


def test_it_drops_what_is_left_when_it_is_stopped() -> None:
    async def story() -> None:
        reader = Reader()
        reader.intake.put(PING * (3 * FRAMES_PER_STEP))
        reader.intake.stop()
        await asyncio.sleep(1)

        assert len(reader.parsed) == 1
        assert not reader.intake.is_full

    run(story())


def test_small_frames_that_come_one_by_one_are_paid_for_too() -> None:
    async def story() -> None:
        reader = Reader(per_s=10, burst=4 * PREPAID_FRAMES, patience_s=5)
        sent = 0
        while not reader.intake.is_full:
            reader.intake.put(frame(5))
            sent += 1

        assert len(reader.parsed) == sent
        assert sent <= 5 * PREPAID_FRAMES

    run(story())


def test_a_flood_is_not_parsed_after_it_was_reported() -> None:
    async def story() -> None:
        reader = Reader(per_s=10, burst=10, patience_s=0)
        reader.intake.put(PING * (2 * FRAMES_PER_STEP))

        assert (reader.floods, reader.parsed) == (1, [])
        assert not reader.intake.is_full

    run(story())
