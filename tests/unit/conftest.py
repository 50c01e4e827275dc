"""Fixtures for tests that need no database. Coroutine tests run on virtual time."""

from asyncio import AbstractEventLoop
from collections.abc import AsyncIterator, Callable, Mapping

import pytest

from messaging.wire.limits import Limits
from tests.unit.in_memory import InMemoryChat
from tests.unit.virtual_time import VirtualTimeLoop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], AbstractEventLoop]]:
    return {"virtual": VirtualTimeLoop}


@pytest.fixture
async def chat() -> AsyncIterator[InMemoryChat]:
    chat = InMemoryChat()
    yield chat
    await chat.hub.close()


@pytest.fixture
async def small_chat() -> AsyncIterator[InMemoryChat]:
    """A chat whose rings hold 4 frames and whose pages hold 5."""
    chat = InMemoryChat(Limits(ring_max_frames=4, replay_page_entries=5))
    yield chat
    await chat.hub.close()
