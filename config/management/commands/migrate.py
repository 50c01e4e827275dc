"""`manage.py migrate`: Django's command, with as much time as it needs, and one process at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.commands import migrate
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

LOCK = 7_276_661_210  # any number that no other application of the database locks


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        """Migrates. On PostgreSQL, several processes that start at once take turns, and no statement is cut short."""
        connection = connections[options["database"]]
        if connection.vendor != "postgresql":
            super().handle(*args, **options)
            return
        with _turn(connection):
            super().handle(*args, **options)


@contextmanager
def _turn(connection: BaseDatabaseWrapper) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0; SET lock_timeout = 0")
        cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        # A change of a table that waits for a long transaction makes everybody else wait behind it.
        cursor.execute("RESET lock_timeout")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
            cursor.execute("RESET statement_timeout")
