"""The lean queue and event behave as asyncio's."""

import asyncio

from messaging.transport.waiting import LeanEvent, LeanQueue


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_events_come_in_order() -> None:
    queue = LeanQueue(asyncio.get_running_loop())
    for number in range(3):
        queue.put_nowait(number)

    assert [await queue.get() for _ in range(3)] == [0, 1, 2]
    assert queue.empty()


async def test_a_reader_waits_for_the_next() -> None:
    queue = LeanQueue(asyncio.get_running_loop())
    reading = queue.get()
    await settle()
    assert not reading.done()

    queue.put_nowait("a")
    queue.put_nowait("b")

    assert await reading == "a"
    assert await queue.get() == "b"


async def test_a_reader_who_gives_up_takes_nothing() -> None:
    queue = LeanQueue(asyncio.get_running_loop())
    queue.get().cancel()

    queue.put_nowait("a")

    assert await queue.get() == "a"


async def test_all_that_waits_can_be_taken() -> None:
    queue = LeanQueue(asyncio.get_running_loop())
    for number in range(3):
        queue.put_nowait(number)

    assert queue.pop_all() == [0, 1, 2]
    assert queue.pop_all() == []


async def test_a_gate_is_open_at_first() -> None:
    await LeanEvent().wait()


async def test_a_closed_gate_holds_all_until_it_opens() -> None:
    event = LeanEvent()
    event.clear()
    waiting = [asyncio.create_task(event.wait()) for _ in range(2)]
    await settle()
    assert not any(task.done() for task in waiting)

    event.set()
    await asyncio.gather(*waiting)


async def test_a_gate_that_closes_again_at_once_holds_them_still() -> None:
    event = LeanEvent()
    event.clear()
    waiting = asyncio.create_task(event.wait())
    await settle()

    event.set()
    event.clear()
    await settle()
    assert not waiting.done()

    event.set()
    await waiting
