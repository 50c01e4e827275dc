"""The permissions of the data directory."""

import stat
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from config.private import close_to_others, make_private_directory


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory that others can read, with two files."""
    directory = tmp_path / "var"
    directory.mkdir(mode=0o755)
    for name in ("database", "notes"):
        (directory / name).touch(mode=0o644)
    return directory


def test_it_works(directory: Path) -> None:
    with capture_logs() as logs:
        close_to_others(directory, [directory / "database", directory / "database-wal"])

    assert [mode_of(path) for path in (directory, directory / "database", directory / "notes")] == [0o700, 0o600, 0o644]
    assert [line["path"] for line in logs] == [str(directory), str(directory / "database")]
    assert {line["log_level"] for line in logs} == {"warning"}


def test_it_says_nothing_the_second_time(directory: Path) -> None:
    close_to_others(directory, [directory / "database"])

    with capture_logs() as logs:
        close_to_others(directory, [directory / "database"])

    assert not logs


def test_it_leaves_a_directory_that_holds_none_of_the_files(directory: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "database"
    elsewhere.touch(mode=0o640)

    close_to_others(directory, [elsewhere, directory / "secret_key"])

    assert (mode_of(directory), mode_of(elsewhere)) == (0o755, 0o600)


def test_it_warns_of_a_directory_for_all_users(directory: Path) -> None:
    directory.chmod(0o1777)

    with capture_logs() as logs:
        close_to_others(directory, [directory / "database"])

    assert (mode_of(directory), mode_of(directory / "database")) == (0o1777, 0o600)
    assert logs[0]["event"] == "other users of this machine can read the data"


def test_it_makes_a_directory(tmp_path: Path) -> None:
    make_private_directory(tmp_path / "a" / "b")
    make_private_directory(tmp_path / "a" / "b")

    assert mode_of(tmp_path / "a" / "b") == 0o700
