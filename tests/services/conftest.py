"""Fixtures of the tests of services: a listener for what they broadcast."""

from collections.abc import Iterator

import pytest

from rooms import broadcast
from tests.services.rooms import Ear


@pytest.fixture
def ear() -> Iterator[Ear]:
    """Records every notice from now on. Request it after the fixtures that create rooms."""
    ear = Ear()
    broadcast.add_listener(ear)
    yield ear
    broadcast.remove_listener(ear)
