"""Every coroutine of this folder runs on virtual time."""

from asyncio import AbstractEventLoop
from collections.abc import AsyncIterator, Callable, Mapping

import pytest

from messaging.wire.limits import Limits
from tests.unit.rooms import House
from tests.unit.virtual_time import VirtualTimeLoop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], AbstractEventLoop]]:
    return {"virtual": VirtualTimeLoop}


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House()
    yield house
    await house.hub.close()


@pytest.fixture
async def small() -> AsyncIterator[House]:
    """A house whose rings hold 4 frames and whose pages hold 5."""
    house = House(Limits(ring_max_frames=4, replay_page_entries=5))
    yield house
    await house.hub.close()
