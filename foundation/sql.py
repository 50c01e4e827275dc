"""Rows in and out of plain SQL, on both engines. For the few statements that the ORM is too slow for.

A `Query` reads by a list of rows: PostgreSQL takes them as one JSON value, which its driver and its server parse faster
than arrays, and SQLite binds each value. It runs on the driver's own connection and stays prepared, because the ORM
would compile it again each time. A `Lookup` takes keys, bound as one JSON value on both engines, on Django's cursor.
`Columns` names the columns of what is written. docs/decisions/0016-sql-of-our-own.md says where they are used.
"""

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, lru_cache
from itertools import chain
from types import NoneType
from typing import Any, Final, get_args, get_type_hints
from uuid import UUID

import msgspec
import psycopg
from django.db import DEFAULT_DB_ALIAS, connection, connections

SqlRow = tuple[Any, ...]

# The most rows that one statement binds. SQLite binds at most 32,766 values (SQLITE_MAX_VARIABLE_NUMBER), which allows
# 15 columns.
ROWS_PER_STATEMENT: Final = 2_048
# PostgreSQL's driver prepares a statement on the server when it runs for the second time.
PREPARE_AFTER: Final = 2

_encoder = msgspec.json.Encoder()


def as_uuid(value: UUID | str) -> UUID:
    """Returns a UUID that a driver returned, which is text on SQLite."""
    return value if isinstance(value, UUID) else UUID(value)


def as_moment(value: datetime) -> datetime:
    """Returns a time that a driver returned, aware. SQLite's are naive and mean UTC."""
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def bound_moment(value: datetime) -> Any:
    """Returns an aware time in the form in which the present engine binds it."""
    return connection.ops.adapt_datetimefield_value(value)


# All rows of a batch have the same time, which takes Django 9 µs to convert.
_sqlite_moment = lru_cache(maxsize=64)(bound_moment)
_BOUND_ON_SQLITE: Final = {"uuid": "{value}.hex", "timestamptz": "sqlite_moment({value})"}


class Columns:
    """Names columns once, with PostgreSQL's types, and writes the SQL and the values of both engines from them.

    Rows are tuples in the order of the columns, of plain Python values: `UUID`, aware `datetime`, `bytes`, text,
    numbers, None.
    """

    def __init__(self, **types: str) -> None:
        self.names = ", ".join(types)
        self.marks = "(" + ", ".join("?" for _ in types) + ")"
        self.empty: SqlRow = (None,) * len(types)
        self._keys = tuple(types)
        self._types = tuple(types.values())
        # Compiled once, as `namedtuple` does: a loop over the columns of each row takes three times as long.
        values = ", ".join(
            _BOUND_ON_SQLITE.get(kind, "{value}").format(value=f"row[{index}]")
            for index, kind in enumerate(self._types)
        )
        self._bind: Callable[[Iterable[SqlRow]], list[SqlRow]] = eval(  # noqa: S307 - no input in it
            f"lambda rows: [({values},) for row in rows]", {"sqlite_moment": _sqlite_moment}
        )

    @classmethod
    def of(cls, row: type[tuple[Any, ...]]) -> "Columns":
        """Returns the columns of a `NamedTuple`: its fields, with the types that their annotations stand for."""
        return cls(**{name: _TYPES[_without_none(hint)] for name, hint in get_type_hints(row).items()})

    @property
    def selected(self) -> str:
        """The columns as a `SELECT` on PostgreSQL reads them out of `recordset`."""
        shown = (
            f"decode({name}, 'hex') AS {name}" if kind == "bytea" else name
            for name, kind in zip(self._keys, self._types, strict=True)
        )
        return ", ".join(shown)

    @property
    def recordset(self) -> str:
        """A subquery that yields a list of rows passed to PostgreSQL. It binds two values: see `run_on_postgresql`.

        Without the limit the planner would take every list to be a hundred rows long, and scan whole tables for one.
        """
        typed = ", ".join(
            f"{name} {'text' if kind == 'bytea' else kind}" for name, kind in zip(self._keys, self._types, strict=True)
        )
        return f"(SELECT * FROM json_to_recordset(%s::json) AS _({typed}) LIMIT %s)"  # noqa: S608 - no input in it

    def for_sqlite(self, rows: Iterable[SqlRow]) -> list[SqlRow]:
        """Returns the rows as SQLite's driver binds them. UUIDs and times must not be None."""
        return self._bind(rows)

    def for_postgresql(self, rows: Iterable[SqlRow]) -> list[dict[str, Any]]:
        """Returns the rows as objects for `recordset`."""
        keys = self._keys
        if "bytea" not in self._types:
            return [dict(zip(keys, row, strict=True)) for row in rows]
        return [
            {key: value.hex() if isinstance(value, bytes) else value for key, value in zip(keys, row, strict=True)}
            for row in rows
        ]


class Query:
    """A SELECT joined to a list of rows, which `sql` sees as the table `input`."""

    def __init__(self, sql: str, **columns: str) -> None:
        self._columns = Columns(**columns)
        self._sqlite = f"WITH input({self._columns.names}) AS (VALUES {{rows}}) {sql}"
        self._postgresql = f"WITH input AS {self._columns.recordset} {sql}"

    def extended(self, *, postgresql: str) -> "Query":
        """Returns the same query with something at its end that only PostgreSQL understands."""
        other = Query.__new__(Query)
        other.__dict__ |= self.__dict__ | {"_postgresql": self._postgresql + postgresql}
        return other

    def run(self, rows: Sequence[SqlRow]) -> list[SqlRow]:
        """Returns what the statement finds. One query; none for no rows. Raises Django's database errors.

        On SQLite there is one query for each `ROWS_PER_STATEMENT` rows.
        """
        if not rows:
            return []
        database = connections[DEFAULT_DB_ALIAS]
        if database.connection is None:
            database.ensure_connection()
        with database.wrap_database_errors:
            if database.vendor == "sqlite":
                return self._run_on_sqlite(database.connection, self._columns.for_sqlite(rows))
            return run_on_postgresql(
                database.connection, self._postgresql, self._columns.for_postgresql(rows)
            ).fetchall()

    def _run_on_sqlite(self, raw: sqlite3.Connection, rows: Sequence[SqlRow]) -> list[SqlRow]:
        found: list[SqlRow] = []
        for start in range(0, len(rows), ROWS_PER_STATEMENT):
            some = rows[start : start + ROWS_PER_STATEMENT]
            # Padded to a power of two, so that there are few different texts and each is parsed once.
            size = 1 << (len(some) - 1).bit_length()
            padded = chain(some, [self._columns.empty] * (size - len(some)))
            found += raw.execute(self._text(size), list(chain.from_iterable(padded))).fetchall()
        return found

    @cache  # noqa: B019 - as many as there are queries
    def _text(self, size: int) -> str:
        return self._sqlite.format(rows=", ".join([self._columns.marks] * size))


class Lookup:
    """A statement over keys, each with a number to compare or to write: any number at once, bound as one value.

    `sql` sees them as the table `input (key, number)`. `key` is PostgreSQL's type of the keys: `text` or `uuid`.
    """

    def __init__(self, sql: str, *, key: str) -> None:
        # The planner merges this subquery into the statement, so each key uses the index.
        inputs = {
            "sqlite": "SELECT key, value FROM json_each(%s)",
            "postgresql": f"SELECT key::{key}, value::bigint FROM json_each_text(%s::json)",  # noqa: S608 - no input in it
        }
        self._texts = {engine: f"WITH input(key, number) AS ({text}) {sql}" for engine, text in inputs.items()}

    def run(self, numbers: Mapping[UUID, int] | Mapping[str, int], *values: Any) -> list[SqlRow]:
        """Returns what the statement finds, with `values` bound behind the keys. One query; none for no keys."""
        if not numbers:
            return []
        with connection.cursor() as cursor:
            cursor.execute(*self.bind(numbers, *values))
            rows: list[SqlRow] = cursor.fetchall()
        return rows

    def bind(self, numbers: Mapping[UUID, int] | Mapping[str, int], *values: Any) -> tuple[str, list[Any]]:
        """Returns the text of the statement and the values to bind, for `QuerySet.raw`, which makes models of rows."""
        keys = {key.hex if isinstance(key, UUID) else key: number for key, number in numbers.items()}
        return self._texts[connection.vendor], [_encoder.encode(keys).decode(), *values]


def run_on_postgresql(raw: Any, sql: str, *recordsets: Sequence[object]) -> "psycopg.Cursor[SqlRow]":
    """Runs `sql`, prepared, with each of `recordsets` bound to one `Columns.recordset`, in their order."""
    raw.prepare_threshold = PREPARE_AFTER
    values = chain.from_iterable((_encoder.encode(rows).decode(), len(rows)) for rows in recordsets)
    return psycopg.Cursor(raw).execute(sql, list(values))


def _without_none(hint: Any) -> type:
    """Returns the type in `X | None`."""
    kind: type = next((kind for kind in get_args(hint) if kind is not NoneType), hint)
    return kind


_TYPES: Final[dict[type, str]] = {
    UUID: "uuid", int: "bigint", str: "text", bytes: "bytea", datetime: "timestamptz"
}  # fmt: skip
