"""The window of sends in flight."""

import asyncio

from messaging.transport.waiting import SendWindow


async def settle() -> None:
    """Let everything run that can."""
    await asyncio.sleep(0.001)


async def test_it_works() -> None:
    window = SendWindow(2)

    await window.acquire()
    await window.acquire()
    window.release()
    await window.acquire()


async def test_it_holds_back_what_is_beyond_until_one_leaves() -> None:
    window = SendWindow(1)
    await window.acquire()
    second = asyncio.create_task(window.acquire())

    await settle()
    assert not second.done()
    window.release()
    await settle()

    assert second.done()


async def test_it_lets_in_one_for_each_that_leaves_in_their_order() -> None:
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


async def test_it_settles_at_once_when_nothing_is_in_flight() -> None:
    await SendWindow(1).settled()


async def test_it_settles_only_when_all_have_left() -> None:
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


async def test_it_passes_over_whoever_gave_up() -> None:
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
