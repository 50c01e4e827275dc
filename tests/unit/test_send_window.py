"""The window of sends in flight on one socket."""

import asyncio

from messaging.transport.waiting import SendWindow


async def settle() -> None:
    await asyncio.sleep(0.001)


async def test_it_works() -> None:
    window = SendWindow(2)

    await window.acquire()
    await window.acquire()
    window.release()
    await window.acquire()


async def test_a_send_beyond_the_window_waits_for_an_answer() -> None:
    window = SendWindow(1)
    await window.acquire()
    second = asyncio.create_task(window.acquire())

    await settle()
    assert not second.done()
    window.release()
    await settle()

    assert second.done()


async def test_waiting_sends_go_on_one_by_one_in_order() -> None:
    window, acquired = SendWindow(1), []

    async def acquire(name: str) -> None:
        await window.acquire()
        acquired.append(name)

    await window.acquire()
    tasks = [asyncio.create_task(acquire(name)) for name in "abc"]
    await settle()

    for expected in ("a", "ab", "abc"):
        window.release()
        await settle()
        assert "".join(acquired) == expected
    assert all(task.done() for task in tasks)


async def test_it_is_settled_at_first() -> None:
    await SendWindow(1).settled()


async def test_it_is_settled_when_all_sends_are_answered() -> None:
    window = SendWindow(3)
    await window.acquire()
    await window.acquire()
    settled = asyncio.create_task(window.settled())

    window.release()
    await settle()
    assert not settled.done()
    window.release()
    await settle()

    assert settled.done()


async def test_a_cancelled_send_does_not_take_a_place() -> None:
    window = SendWindow(1)
    await window.acquire()
    first, second = asyncio.create_task(window.acquire()), asyncio.create_task(window.acquire())
    await settle()

    first.cancel()
    await settle()
    window.release()
    await settle()

    assert first.cancelled()
    assert second.done()
