"""People who chat, and people who attack."""

import pytest

from tests.people import Person, make_person


@pytest.fixture
def people(db: None) -> list[Person]:
    """Eleven people. The first eight chat, the last three attack."""
    return [make_person(f"person{number}") for number in range(11)]
