"""Every coroutine of this folder runs on virtual time."""

from asyncio import AbstractEventLoop
from collections.abc import Callable, Mapping

from tests.unit.virtual_time import VirtualTimeLoop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], AbstractEventLoop]]:
    return {"virtual": VirtualTimeLoop}
