"""Keyset pagination: pages are addressed by key, never by offset, so that every page costs the same."""

from collections.abc import Iterable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
from django.conf import settings
from django.db.models import Model, QuerySet

ModelT = TypeVar("ModelT", bound=Model)
PageT = TypeVar("PageT", bound=msgspec.Struct)

_encoder = msgspec.json.Encoder()


class KeysetPage(NamedTuple, Generic[ModelT]):
    """Rows in ascending order of their key, and whether there are more on either side.

    `is_backward` says that they were read backwards, from `before`.
    """

    rows: list[ModelT]
    has_before: bool
    has_after: bool
    is_backward: bool = False

    def render(self, shape: type[PageT], results: Sequence[Any]) -> PageT:
        """Returns a page of `shape`, which has `results`, `has_before` and `has_after`. No query.

        `results` are the rows, rendered. The page ends before `page_max_bytes` are exceeded, but holds at least one
        result; what is left out is on the next page in the same direction.
        """
        ordered = results[::-1] if self.is_backward else results
        sizes = (len(_encoder.encode(each)) for each in ordered)
        kept = list(ordered[: count_within(sizes, settings.ROOMLOG_LIMITS.page_max_bytes)])
        is_cut = len(kept) < len(results)
        return shape(
            results=kept[::-1] if self.is_backward else kept,
            has_before=self.has_before or (is_cut and self.is_backward),
            has_after=self.has_after or (is_cut and not self.is_backward),
        )


def page_of(queryset: QuerySet[ModelT], *, key: str, before: Any, after: Any, limit: int) -> KeysetPage[ModelT]:
    """Returns up to `limit` rows: the last ones before `before`, the first ones after `after`, or the first of all.

    `key` names a unique field; `before` and `after` are values of it, which need not exist. If both are given, `before`
    wins.

    One query. It does not look beyond `before` or `after`: on that side, the result says that there are more rows.
    """
    if before is not None:
        rows = list(queryset.filter(**{f"{key}__lt": before}).order_by(f"-{key}")[: limit + 1])
        return KeysetPage(rows[:limit][::-1], has_before=len(rows) > limit, has_after=True, is_backward=True)
    if after is not None:
        queryset = queryset.filter(**{f"{key}__gt": after})
    rows = list(queryset.order_by(key)[: limit + 1])
    return KeysetPage(rows[:limit], has_before=after is not None, has_after=len(rows) > limit)


def count_within(sizes: Iterable[int], max_bytes: int) -> int:
    """Returns how many of the first `sizes` (bytes) are within `max_bytes` together: at least one, if there is one."""
    count = total = 0
    for size in sizes:
        total += size
        if count and total > max_bytes:
            break
        count += 1
    return count
