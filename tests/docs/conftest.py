"""Fixtures of the documents' tests."""

from pathlib import Path

import pytest

from tests.docs.sessions import Session
from tests.servers import Server


@pytest.fixture
def session(tmp_path: Path, server: Server) -> Session:
    """A reader with an empty directory, at the test's server."""
    directory = tmp_path / "reader"
    directory.mkdir()
    return Session(directory, server)
