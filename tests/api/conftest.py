"""Fixtures of the tests of REST."""

import pytest
from pytest_django import Settings


@pytest.fixture
def fast_hashing(settings: Settings) -> None:
    """Hashes passwords without the work that makes it slow."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
