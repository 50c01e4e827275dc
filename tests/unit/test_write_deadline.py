"""The deadline for clients that stop reading."""

import asyncio

from messaging.transport.write_deadline import WriteDeadline

STALLED_S = 10.0
JUST_BEFORE_S, JUST_AFTER_S = STALLED_S - 0.1, 0.2


class Buffer:
    """A write buffer, and how often its client was found to have stalled."""

    def __init__(self, size: int = 100) -> None:
        self.size = size
        self.stalls = 0
        self.deadline = WriteDeadline(
            unsent_bytes=lambda: self.size,
            on_stalled=self.stall,
            stalled_s=STALLED_S,
            loop=asyncio.get_running_loop(),
        )

    def stall(self) -> None:
        self.stalls += 1


async def test_it_works() -> None:
    buffer = Buffer()
    buffer.deadline.start()
    await asyncio.sleep(JUST_BEFORE_S)
    assert buffer.stalls == 0

    await asyncio.sleep(JUST_AFTER_S)

    assert buffer.stalls == 1


async def test_it_calls_once() -> None:
    buffer = Buffer()
    buffer.deadline.start()
    await asyncio.sleep(5 * STALLED_S)

    assert buffer.stalls == 1


async def test_it_does_not_run_before_it_is_started() -> None:
    buffer = Buffer()
    await asyncio.sleep(5 * STALLED_S)

    assert buffer.stalls == 0


async def test_it_gives_a_client_that_takes_something_as_much_time_again() -> None:
    buffer = Buffer()
    buffer.deadline.start()
    for _ in range(10):
        await asyncio.sleep(0.9 * STALLED_S)
        buffer.size -= 1
    assert buffer.stalls == 0

    await asyncio.sleep(2 * STALLED_S)

    assert buffer.stalls == 1


async def test_a_buffer_that_grows_is_no_progress() -> None:
    buffer = Buffer()
    buffer.deadline.start()
    buffer.size += 1
    await asyncio.sleep(STALLED_S)

    assert buffer.stalls == 1


async def test_it_can_be_stopped_and_started_again() -> None:
    buffer = Buffer()
    buffer.deadline.stop()
    buffer.deadline.start()
    await asyncio.sleep(JUST_BEFORE_S)
    buffer.deadline.stop()
    await asyncio.sleep(JUST_AFTER_S)
    assert buffer.stalls == 0

    buffer.deadline.start()
    await asyncio.sleep(JUST_BEFORE_S)
    assert buffer.stalls == 0
    await asyncio.sleep(JUST_AFTER_S)

    assert buffer.stalls == 1


async def test_starting_again_replaces_the_first_deadline() -> None:
    buffer = Buffer()
    buffer.deadline.start()
    await asyncio.sleep(JUST_BEFORE_S)
    buffer.deadline.start()
    await asyncio.sleep(JUST_AFTER_S)

    assert buffer.stalls == 0
