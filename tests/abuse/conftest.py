"""People who chat, and people who attack."""

import pytest

from tests.abuse.cases import CHATTING
from tests.people import Person, make_person


@pytest.fixture
def people(db: None) -> list[Person]:
    """The first `CHATTING` of them chat, the last three attack."""
    return [make_person(f"person{number}") for number in range(CHATTING + 3)]
