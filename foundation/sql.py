"""Plain SQL: what either engine gives and takes; many keys at once, each with a number to compare, in one statement."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
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
