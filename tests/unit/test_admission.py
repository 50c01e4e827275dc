"""`Admission`: how many handshakes may wait, and when those who are turned away should come back."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence

import pytest

from messaging.admission import MOST_S, Admission
from messaging.batching import Batcher

BATCH, BATCH_S = 10, 0.5  # 20 handshakes a second
PER_S = 50.0
MOST_WAITING, MOST_WAIT_S = 100, 2.0


class Door:
    """Handshakes that take half a second for each ten of them, or do not end."""

    def __init__(self) -> None:
        self.is_stuck = False
        loop = asyncio.get_running_loop()
        self.batcher: Batcher[int, int] = Batcher(self._open, loop=loop, max_size=BATCH)
        self.admission = Admission(
            self.batcher, loop=loop, most_waiting=MOST_WAITING, most_wait_s=MOST_WAIT_S, per_s=PER_S
        )
        self.tasks: list[asyncio.Task[int]] = []

    async def arrive(self, count: int) -> None:
        self.tasks += [asyncio.create_task(self.batcher.run(n)) for n in range(count)]
        for _ in range(3):
            await asyncio.sleep(0)

    async def _open(self, numbers: Sequence[int]) -> Sequence[int]:
        await asyncio.sleep(1_000 if self.is_stuck else BATCH_S)
        return numbers


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    random.seed(1)
    door = Door()
    yield door
    await door.batcher.close()
    await asyncio.gather(*door.tasks, return_exceptions=True)


async def test_it_works(door: Door) -> None:
    await door.arrive(90)
    assert not door.admission.is_full  # nothing was measured yet

    await asyncio.sleep(3 * BATCH_S + 0.01)  # 50 wait, and the rate is known: three seconds until another one is done

    assert door.admission.is_full
    assert door.admission.turn_away() == pytest.approx(3.05, rel=0.11)
    await asyncio.sleep(2 * BATCH_S)  # 30 wait
    assert not door.admission.is_full


async def test_it_is_full_by_number_before_anything_is_measured(door: Door) -> None:
    await door.arrive(MOST_WAITING + BATCH - 1)
    assert not door.admission.is_full

    await door.arrive(1)
    assert door.admission.is_full


async def test_it_is_full_while_the_database_does_not_answer(door: Door) -> None:
    door.is_stuck = True
    await door.arrive(1)

    await asyncio.sleep(MOST_WAIT_S - 0.1)
    assert not door.admission.is_full
    await asyncio.sleep(0.2)
    assert door.admission.is_full
    assert door.admission.turn_away() >= MOST_WAIT_S


async def test_those_who_are_turned_away_come_back_one_after_the_other_behind_those_who_wait(door: Door) -> None:
    await door.arrive(90)
    await asyncio.sleep(3 * BATCH_S + 0.01)

    times = [door.admission.turn_away() for _ in range(100)]

    # Twenty handshakes are done in a second.
    assert min(times) >= 3.0
    assert max(times) == pytest.approx(3 + 100 / 20, rel=0.11)
    for second in range(3, 7):
        assert 10 <= sum(second <= time < second + 1 for time in times) <= 30


async def test_it_spreads_them_at_the_given_rate_if_nothing_was_measured(door: Door) -> None:
    times = [door.admission.turn_away(at_least_s=1) for _ in range(500)]

    assert min(times) >= 1
    assert max(times) == pytest.approx(1 + 500 / PER_S, rel=0.11)
    assert sum(time < 2 for time in times) <= PER_S


async def test_turns_that_have_passed_do_not_count(door: Door) -> None:
    for _ in range(500):
        door.admission.turn_away()

    await asyncio.sleep(60)

    assert door.admission.turn_away() < 0.1


async def test_nobody_has_to_stay_away_for_ever(door: Door) -> None:
    times = [door.admission.turn_away() for _ in range(int(PER_S * MOST_S * 10))]

    assert max(times) <= MOST_S * 1.1
    assert min(times[-1000:]) >= MOST_S / 2
    await asyncio.sleep(MOST_S)
    assert door.admission.turn_away() < 0.1
