"""Pages by key, never by offset: a page costs the same wherever it lies."""

from typing import Any, NamedTuple, TypeVar

from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound=Model)


class Page(NamedTuple):
    """Rows in ascending order of their key, and whether there are more on either side."""

    rows: list[Any]
    has_before: bool
    has_after: bool


def page_of(queryset: QuerySet[Row], *, key: str, before: Any, after: Any, limit: int) -> Page:
    """The `limit` rows right before `before`, or right after `after`, or the first ones. One query."""
    if before is not None:
        rows = list(queryset.filter(**{f"{key}__lt": before}).order_by(f"-{key}")[: limit + 1])
        return Page(rows[:limit][::-1], has_before=len(rows) > limit, has_after=True)
    if after is not None:
        queryset = queryset.filter(**{f"{key}__gt": after})
    rows = list(queryset.order_by(key)[: limit + 1])
    return Page(rows[:limit], has_before=after is not None, has_after=len(rows) > limit)
