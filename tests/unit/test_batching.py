"""`Batcher`: items that arrive while a batch is under way form the next one, in order, and each gets its outcome."""

import asyncio
from collections.abc import Sequence

import pytest

from foundation.errors import NotFound, Unavailable
from messaging.batching import MEASURED_AT_LEAST, Batcher, Gone

BATCH_S = 1.0


class Doubler:
    """Doubles the numbers of a batch, in a second. Refuses negative ones, and cannot take a batch with a zero in it."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.is_down = False
        self.batch_s = BATCH_S

    async def run(self, numbers: Sequence[int]) -> Sequence[int | Exception]:
        self.batches.append(list(numbers))
        await asyncio.sleep(self.batch_s)
        if self.is_down:
            raise Unavailable(retry_after=1)
        if 0 in numbers:
            raise ValueError("zero")
        return [NotFound() if number < 0 else 2 * number for number in numbers]


def batcher_of(doubler: Doubler, *, max_size: int = 3) -> Batcher[int, int]:
    return Batcher(doubler.run, loop=asyncio.get_running_loop(), max_size=max_size)


async def settle() -> None:
    """Lets every task go on until it waits for time to pass."""
    for _ in range(5):
        await asyncio.sleep(0)


async def run_all(batcher: Batcher[int, int], *numbers: int) -> list[int | BaseException]:
    return await asyncio.gather(*(batcher.run(number) for number in numbers), return_exceptions=True)


def kinds(outcomes: Sequence[int | BaseException]) -> list[int | type]:
    return [outcome if isinstance(outcome, int) else type(outcome) for outcome in outcomes]


async def test_it_works() -> None:
    doubler = Doubler()
    batcher = batcher_of(doubler)
    first = asyncio.create_task(batcher.run(1))
    await settle()

    assert await run_all(batcher, 2, 3) == [4, 6]
    assert await first == 2
    assert doubler.batches == [[1], [2, 3]]


async def test_it_begins_at_once_when_it_is_idle() -> None:
    batcher = batcher_of(Doubler())
    loop = asyncio.get_running_loop()

    assert await batcher.run(1) == 2
    assert loop.time() == BATCH_S
    await asyncio.sleep(10)
    assert await batcher.run(2) == 4
    assert loop.time() == 10 + 2 * BATCH_S


async def test_it_takes_the_oldest_up_to_its_size() -> None:
    doubler = Doubler()
    batcher = batcher_of(doubler)

    assert await run_all(batcher, *range(1, 9)) == [2 * n for n in range(1, 9)]
    assert doubler.batches == [[1, 2, 3], [4, 5, 6], [7, 8]]


async def test_items_may_have_sizes_and_a_larger_one_goes_alone() -> None:
    doubler = Doubler()
    batcher = Batcher(doubler.run, loop=asyncio.get_running_loop(), max_size=5, size_of=lambda number: number)

    assert await run_all(batcher, 2, 3, 1, 9, 5) == [4, 6, 2, 18, 10]
    assert doubler.batches == [[2, 3], [1], [9], [5]]


async def test_a_refused_item_harms_no_other() -> None:
    assert kinds(await run_all(batcher_of(Doubler()), 1, -2, 3)) == [2, NotFound, 6]


async def test_an_item_that_the_batch_cannot_take_is_isolated() -> None:
    doubler = Doubler()
    batcher = batcher_of(doubler, max_size=4)

    assert kinds(await run_all(batcher, 1, 2, 0, 4)) == [2, 4, ValueError, 8]
    assert doubler.batches == [[1, 2, 0, 4], [1, 2], [0, 4], [0], [4]]


async def test_an_outage_is_the_outcome_of_the_whole_batch_and_not_tried_again() -> None:
    doubler = Doubler()
    batcher = batcher_of(doubler)
    doubler.is_down = True

    assert kinds(await run_all(batcher, 1, 2, 3)) == [Unavailable] * 3
    assert doubler.batches == [[1, 2, 3]]
    doubler.is_down = False
    assert await batcher.run(1) == 2


async def test_a_wrong_number_of_outcomes_is_an_error_of_each_item() -> None:
    async def forgetful(numbers: Sequence[int]) -> Sequence[int]:
        return numbers[1:]

    batcher = Batcher(forgetful, loop=asyncio.get_running_loop(), max_size=3)

    assert kinds(await run_all(batcher, 1, 2)) == [ValueError, ValueError]


async def test_items_that_nobody_waits_for_are_left_out() -> None:
    doubler = Doubler()
    batcher = batcher_of(doubler)
    gone: set[int] = set()
    tasks = [asyncio.create_task(batcher.run(n, is_gone=lambda n=n: n in gone)) for n in range(1, 8)]  # type: ignore[misc]
    await settle()

    tasks[4].cancel()
    gone |= {1, 6}  # the batch of the first is under way already
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)

    assert kinds(outcomes) == [2, 4, 6, 8, asyncio.CancelledError, Gone, 14]
    assert doubler.batches == [[1, 2, 3], [4, 7]]


async def test_a_timeout_of_one_caller_does_not_end_the_batch() -> None:
    batcher = batcher_of(Doubler())
    patient = asyncio.create_task(batcher.run(1))

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(BATCH_S / 2):
            await batcher.run(2)

    assert await patient == 2


async def test_it_estimates_the_wait_from_full_batches() -> None:
    batcher = batcher_of(Doubler())
    assert (batcher.wait_s, batcher.per_s, batcher.waiting) == (0, None, 0)
    running = asyncio.gather(*(batcher.run(n) for n in range(1, 19)))
    await asyncio.sleep(2 * BATCH_S + 0.1)
    assert batcher.per_s is None  # two batches are too few

    await asyncio.sleep(BATCH_S)  # the third batch is done, and six wait for the fifth and the sixth

    assert batcher.per_s == pytest.approx(3 / BATCH_S)
    assert batcher.waiting == 6
    assert batcher.wait_s == pytest.approx(3 * BATCH_S)
    await running
    assert (batcher.wait_s, batcher.waiting) == (0, 0)
    assert batcher.per_s == pytest.approx(3 / BATCH_S)  # the last batch does not count: it left nobody behind


async def test_the_time_in_which_it_was_idle_is_no_wait() -> None:
    batcher = batcher_of(Doubler())
    await batcher.run(1)
    await asyncio.sleep(1_000)
    waits: list[float] = []

    async def look_and_run(number: int) -> None:
        waits.append(batcher.wait_s)
        await batcher.run(number)

    await asyncio.gather(*map(look_and_run, (1, 2, 3)))

    assert waits == [0, 0, 0]


async def test_a_batch_that_takes_everything_is_not_measured() -> None:
    """It takes as long as a full one here. Those that arrive meanwhile do not make it a full one."""
    batcher = batcher_of(Doubler())
    running = []
    for number in range(1, 6):
        running.append(asyncio.create_task(batcher.run(number)))
        await asyncio.sleep(BATCH_S / 2)
    assert batcher.wait_s == pytest.approx(BATCH_S / 2)
    await asyncio.gather(*running)

    assert len(running) > MEASURED_AT_LEAST
    assert batcher.per_s is None


async def test_one_slow_batch_does_not_change_the_estimate() -> None:
    doubler = Doubler()
    batcher = batcher_of(doubler)
    running = asyncio.gather(*(batcher.run(n) for n in range(1, 31)))
    await asyncio.sleep(4 * BATCH_S + 0.1)

    doubler.batch_s = 20 * BATCH_S  # the sixth takes long
    await asyncio.sleep(BATCH_S)
    doubler.batch_s = BATCH_S
    await asyncio.sleep(20 * BATCH_S)

    assert batcher.per_s == pytest.approx(3 / BATCH_S)
    await running


async def test_the_wait_is_at_least_as_long_as_the_present_batch_has_taken() -> None:
    async def hang(numbers: Sequence[int]) -> Sequence[int]:
        await asyncio.sleep(100)
        return numbers

    batcher = Batcher(hang, loop=asyncio.get_running_loop(), max_size=3)
    hanging = asyncio.create_task(batcher.run(1))

    await asyncio.sleep(30)

    assert batcher.wait_s == pytest.approx(30)
    await batcher.close()
    with pytest.raises(asyncio.CancelledError):
        await hanging


async def test_closing_ends_what_is_under_way_and_what_waits() -> None:
    doubler = Doubler()
    batcher = batcher_of(doubler, max_size=1)
    running = asyncio.gather(*(batcher.run(n) for n in (1, 2)), return_exceptions=True)
    await settle()

    await batcher.close()

    assert kinds(await running) == [asyncio.CancelledError, asyncio.CancelledError]
    assert doubler.batches == [[1]]
    await batcher.close()
