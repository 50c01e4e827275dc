"""Fixtures of the services: an ear for what they broadcast."""

from collections.abc import Iterator

import pytest

from rooms import broadcast
from tests.services.rooms import Ear


@pytest.fixture
def ear() -> Iterator[Ear]:
    """Hears what is broadcast from here on: to be asked for after the rooms of the test."""
    ear = Ear()
    broadcast.add_listener(ear)
    yield ear
    broadcast.remove_listener(ear)
