"""The event loop on virtual time that the other tests of this folder use."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.unit.virtual_time import run


async def test_it_works() -> None:
    began = time.perf_counter()

    await asyncio.sleep(3600)

    assert asyncio.get_running_loop().time() == 3600
    assert time.perf_counter() - began < 1


async def test_it_fires_timers_in_order() -> None:
    fired: list[float] = []
    loop = asyncio.get_running_loop()
    for delay_s in (0.3, 0.1, 0.2):
        loop.call_later(delay_s, fired.append, delay_s)

    await asyncio.sleep(1)

    assert fired == [0.1, 0.2, 0.3]


async def test_it_waits_for_threads_in_real_time() -> None:
    with ThreadPoolExecutor(1) as executor:
        assert await asyncio.get_running_loop().run_in_executor(executor, str, 7) == "7"


def test_it_raises_if_the_loop_is_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.unit.virtual_time.STUCK_S", 0.001)

    async def wait() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(RuntimeError):
        run(wait())
