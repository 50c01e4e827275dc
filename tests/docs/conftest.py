"""Fixtures for the tests of the documents."""

from pathlib import Path

import pytest

from tests.docs.sessions import Session
from tests.servers import Server


@pytest.fixture
def session(tmp_path: Path, server: Server) -> Session:
    """A session in an empty directory, with the server of the test."""
    directory = tmp_path / "reader"
    directory.mkdir()
    return Session(directory, server)
