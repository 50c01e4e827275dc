"""Turns: a few at a time, and users one after the other."""

import asyncio

import pytest

from messaging.fanout.turns import Turns
from tests.unit.examples import ALICE, BOB


class Work:
    """Takes turns, and records who was admitted."""

    def __init__(self, most: int) -> None:
        self.turns = Turns(most)
        self.admitted: list[str] = []
        self.at_once = self.most_at_once = 0

    async def do(self, user: object, name: str) -> None:
        async with self.turns.turn(user.id):  # type: ignore[attr-defined]
            self.admitted.append(name)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            await asyncio.sleep(0.001)
            self.at_once -= 1


async def test_it_works() -> None:
    work = Work(2)

    await asyncio.gather(*(work.do(ALICE, str(number)) for number in range(6)))

    assert work.admitted == list("012345")
    assert work.most_at_once == 2


async def test_a_user_who_waits_many_times_delays_the_others_by_one_turn() -> None:
    work = Work(1)
    alice = [asyncio.ensure_future(work.do(ALICE, f"alice {number}")) for number in range(5)]
    await asyncio.sleep(0)
    bob = asyncio.ensure_future(work.do(BOB, "bob"))

    await asyncio.gather(*alice, bob)

    assert work.admitted.index("bob") == 2


@pytest.mark.parametrize("admitted_already", [False, True])
async def test_one_who_stops_waiting_is_skipped(admitted_already: bool) -> None:
    work = Work(1)
    first = asyncio.ensure_future(work.do(ALICE, "first"))
    await asyncio.sleep(0)
    second = asyncio.ensure_future(work.do(ALICE, "second"))
    third = asyncio.ensure_future(work.do(BOB, "third"))
    await asyncio.sleep(0)

    if admitted_already:
        await first
    second.cancel()
    await asyncio.gather(first, third)

    assert "third" in work.admitted
    async with asyncio.timeout(1):
        await work.do(ALICE, "last")


async def test_a_turn_ends_with_an_error() -> None:
    turns = Turns(1)
    for _ in range(2):
        with pytest.raises(ValueError, match="broken"):
            async with turns.turn(ALICE.id):
                raise ValueError("broken")
