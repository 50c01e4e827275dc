"""Plain SQL: what either engine gives and takes; many keys at once, each with a number to compare, in one statement."""

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import chain
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from django.db import connection

# Flattened into the query that uses them, so that each key is looked up in its index.
_SOUGHT = {
    "sqlite": "WITH sought(key, number) AS (SELECT key, value FROM json_each(%s))",
    "postgresql": "WITH sought(key, number) AS (SELECT key::{key}, value::bigint FROM json_each_text(%s::json))",
}


def as_uuid(value: UUID | str) -> UUID:
    """A UUID as either engine gives it."""
    return value if isinstance(value, UUID) else UUID(value)


def as_moment(value: datetime) -> datetime:
    """A time as either engine gives it, aware."""
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def bound_moment(value: datetime) -> Any:
    """A time (aware) as a plain statement binds it on this engine."""
    return connection.ops.adapt_datetimefield_value(value)


def look_up(sql: str, numbers: Mapping[str, int], *values: Any, key: str = "text") -> list[tuple[Any, ...]]:
    """The rows of `sql`, which sees `numbers` as the table `sought (key, number)` and binds `values`.

    `key` is PostgreSQL's type of the keys; UUIDs are given by their `hex`.
    """
    sought = _SOUGHT[connection.vendor].format(key=key)
    with connection.cursor() as cursor:
        cursor.execute(f"{sought} {sql}", [msgspec.json.encode(numbers).decode(), *values])
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


Row = tuple[Any, ...]

# SQLite binds so many values at most (SQLITE_MAX_VARIABLE_NUMBER).
ROWS_PER_STATEMENT = 2_048

# Prepared on the server when it is run for the second time.
PREPARE_AFTER = 2

_encoder = msgspec.json.Encoder()


class Query:
    """Reads by a list of rows, which `sql` sees as the table `input` of `columns`, given with PostgreSQL's types."""

    def __init__(self, sql: str, **columns: str) -> None:
        self._names = tuple(columns)
        self._marks = "(" + ", ".join("?" for _ in columns) + ")"
        self._empty: Row = (None,) * len(columns)
        self._sqlite = f"WITH input({', '.join(columns)}) AS (VALUES {{rows}}) {sql}"
        self._postgresql = f"WITH input AS {recordset(**columns)} {sql}"

    def extended(self, *, postgresql: str) -> "Query":
        """The same, with something at its end that only PostgreSQL knows."""
        other = Query.__new__(Query)
        other.__dict__ |= self.__dict__ | {"_postgresql": self._postgresql + postgresql}
        return other

    def run(self, raw: Any, rows: Sequence[Row]) -> list[Row]:
        """What it finds, over a driver's connection. Raises what the driver raises."""
        if isinstance(raw, sqlite3.Connection):
            return self._run_on_sqlite(raw, rows)
        named = [dict(zip(self._names, row, strict=True)) for row in rows]
        return run_on_postgresql(raw, self._postgresql, named).fetchall()

    def _run_on_sqlite(self, raw: sqlite3.Connection, rows: Sequence[Row]) -> list[Row]:
        found: list[Row] = []
        for start in range(0, len(rows), ROWS_PER_STATEMENT):
            some = rows[start : start + ROWS_PER_STATEMENT]
            # Filled up to a power of two: so there are few texts, and each is parsed once.
            size = 1 << (len(some) - 1).bit_length()
            filled = chain(some, [self._empty] * (size - len(some)))
            found += raw.execute(self._text(size), list(chain.from_iterable(filled))).fetchall()
        return found

    @cache  # noqa: B019 - as many as there are queries
    def _text(self, size: int) -> str:
        return self._sqlite.format(rows=", ".join([self._marks] * size))


def recordset(**columns: str) -> str:
    """A list of rows that is passed to PostgreSQL, as a subquery of `columns`, given with their types.

    Without the limit the planner would take any list to be a hundred rows long, and go through whole tables for one.
    """
    named = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    return f"(SELECT * FROM json_to_recordset(%s::json) AS _({named}) LIMIT %s)"  # noqa: S608 - ours


def run_on_postgresql(raw: Any, sql: str, *recordsets: Sequence[object]) -> "psycopg.Cursor[Row]":
    raw.prepare_threshold = PREPARE_AFTER
    values = chain.from_iterable((_encoder.encode(rows).decode(), len(rows)) for rows in recordsets)
    return psycopg.Cursor(raw).execute(sql, list(values))
