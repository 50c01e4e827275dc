"""The value of `DATABASES["default"]`: the engine that `DATABASE_URL` names, with the options that it needs."""

from pathlib import Path
from typing import Any

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

from config.env import Environment
from config.private import make_private_directory


def database_of(env: Environment, *, data_dir: Path, kept_connections: int, writer_patience_s: float) -> dict[str, Any]:
    """Returns the database that `DATABASE_URL` names; by default, SQLite in `data_dir`, which is then made.

    `kept_connections` are those that threads of the process never give back. No lock of SQLite is awaited, and no
    statement of PostgreSQL takes, longer than `writer_patience_s`. Raises `ImproperlyConfigured`.
    """
    url = env.text("DATABASE_URL", f"sqlite:///{data_dir / 'roomlog.sqlite3'}")
    postgresql = _postgresql_options(env, kept_connections=kept_connections, writer_patience_s=writer_patience_s)
    database: dict[str, Any] = dict(dj_database_url.parse(url))
    options = database.setdefault("OPTIONS", {})
    if database["ENGINE"] == "django.db.backends.sqlite3":
        if not env.text("DATABASE_URL"):
            make_private_directory(data_dir)
        database["ENGINE"] = "config.sqlite"
        # A file in tests too, because threads and processes share it.
        database["TEST"] = {"NAME": str(data_dir / "test.sqlite3")}
        database["OPTIONS"] = _sqlite_options(writer_patience_s) | options
    elif database["ENGINE"] == "django.db.backends.postgresql":
        database["ENGINE"] = "config.postgresql"
        database["OPTIONS"] = postgresql | options
    else:
        raise ImproperlyConfigured("DATABASE_URL must be a sqlite:// or a postgresql:// URL")
    return database


def files_of(database: dict[str, Any]) -> list[Path]:
    """Returns the files of an SQLite database, of which all but the first exist only while it is in use."""
    if database["ENGINE"] != "config.sqlite":
        return []
    return [Path(f"{database['NAME']}{suffix}") for suffix in ("", "-wal", "-shm", "-journal")]


def _sqlite_options(patience_s: float) -> dict[str, Any]:
    return {
        # IMMEDIATE: a deferred transaction that starts to write fails at once while another one writes.
        "transaction_mode": "IMMEDIATE",
        # FULL: an acknowledged message survives a power failure, not only a crash.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
        f" PRAGMA busy_timeout={round(patience_s * 1000)}",
        # While another process writes: no longer than the writer keeps a send.
        "timeout": patience_s,  # s
    }


def _postgresql_options(env: Environment, *, kept_connections: int, writer_patience_s: float) -> dict[str, Any]:
    # Seconds to wait for a connection if all are in use or none can be opened.
    pool_patience_s = env.number("DATABASE_PATIENCE_S", 5.0, least=0.1, most=60)
    return {
        # psycopg's pool keeps connections open, so that REST requests need not open them.
        "pool": {
            "min_size": 1,
            # REST requests share those that the threads do not keep.
            "max_size": env.number(
                "DATABASE_POOL_SIZE", max(20, kept_connections + 4), least=kept_connections + 1, most=1000
            ),
            "timeout": pool_patience_s,
            # Give up reconnecting early: the next request tries at once, whereas the pool's own attempts get further
            # and further apart, and would notice late that the database is back.
            "reconnect_timeout": pool_patience_s,
        },
        "options": "-c lock_timeout=2s -c idle_in_transaction_session_timeout=30s -c synchronous_commit=on"
        # No statement holds a thread, or a lock that others wait for, for longer than the writer keeps a send.
        f" -c statement_timeout={round(writer_patience_s * 1000)}"
        # Only the statements of an append are prepared. Their best plans do not depend on the values.
        " -c plan_cache_mode=force_generic_plan"
        # The data is in memory or on an SSD: prefer an index scan to a sequential scan.
        " -c random_page_cost=1.1",
        # Detect a host that vanished within about 10 s, instead of after the timeouts of the operating system.
        "connect_timeout": 5,  # s
        "keepalives_idle": 5,  # s
        "keepalives_interval": 2,  # s
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,  # ms
    }
