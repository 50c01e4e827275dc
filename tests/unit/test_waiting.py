"""The lean queue and event behave as those of asyncio do."""

import asyncio

from messaging.transport.waiting import LeanEvent, LeanQueue


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_queue_keeps_the_order() -> None:
    queue = LeanQueue(asyncio.get_running_loop())
    for number in range(3):
        queue.put_nowait(number)

    assert [await queue.get() for _ in range(3)] == [0, 1, 2]
    assert queue.empty()


async def test_a_reader_waits_for_the_next_event() -> None:
    queue = LeanQueue(asyncio.get_running_loop())
    reading = queue.get()
    await settle()
    assert not reading.done()

    queue.put_nowait("a")
    queue.put_nowait("b")

    assert await reading == "a"
    assert await queue.get() == "b"


async def test_a_cancelled_reader_takes_nothing() -> None:
    queue = LeanQueue(asyncio.get_running_loop())
    queue.get().cancel()

    queue.put_nowait("a")

    assert await queue.get() == "a"


async def test_all_events_can_be_removed_at_once() -> None:
    queue = LeanQueue(asyncio.get_running_loop())
    for number in range(3):
        queue.put_nowait(number)

    assert queue.pop_all() == [0, 1, 2]
    assert queue.pop_all() == []


async def test_an_event_is_set_at_first() -> None:
    event = LeanEvent()
    await event.wait()
    assert event.is_set()

    event.clear()

    assert not event.is_set()


async def test_all_waiters_wait_until_it_is_set() -> None:
    event = LeanEvent()
    event.clear()
    waiting = [asyncio.create_task(event.wait()) for _ in range(2)]
    await settle()
    assert not any(task.done() for task in waiting)

    event.set()
    await asyncio.gather(*waiting)


async def test_waiters_go_on_waiting_if_it_is_cleared_at_once() -> None:
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
