"""The lean queue and gate behave as asyncio's."""

import asyncio

from messaging.transport.waiting import Events, Gate


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_events_come_in_order() -> None:
    events = Events(asyncio.get_running_loop())
    for number in range(3):
        events.put_nowait(number)

    assert [await events.get() for _ in range(3)] == [0, 1, 2]
    assert events.empty()


async def test_a_reader_waits_for_the_next() -> None:
    events = Events(asyncio.get_running_loop())
    reading = events.get()
    await settle()
    assert not reading.done()

    events.put_nowait("a")
    events.put_nowait("b")

    assert await reading == "a"
    assert await events.get() == "b"


async def test_a_reader_who_gives_up_takes_nothing() -> None:
    events = Events(asyncio.get_running_loop())
    events.get().cancel()

    events.put_nowait("a")

    assert await events.get() == "a"


async def test_all_that_waits_can_be_taken() -> None:
    events = Events(asyncio.get_running_loop())
    for number in range(3):
        events.put_nowait(number)

    assert events.take() == [0, 1, 2]
    assert events.take() == []


async def test_a_gate_is_open_at_first() -> None:
    await Gate().wait()


async def test_a_closed_gate_holds_all_until_it_opens() -> None:
    gate = Gate()
    gate.clear()
    waiting = [asyncio.create_task(gate.wait()) for _ in range(2)]
    await settle()
    assert not any(task.done() for task in waiting)

    gate.set()
    await asyncio.gather(*waiting)


async def test_a_gate_that_closes_again_at_once_holds_them_still() -> None:
    gate = Gate()
    gate.clear()
    waiting = asyncio.create_task(gate.wait())
    await settle()

    gate.set()
    gate.clear()
    await settle()
    assert not waiting.done()

    gate.set()
    await waiting
