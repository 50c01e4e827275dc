"""The field types that JSON shapes are built from. Knows no framework."""

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

# The largest integer that every JSON parser reads exactly (RFC 8259, section 6).
MAX_INTEGER = 2**53 - 1
Timestamp = Annotated[str, Meta(description="RFC 3339, UTC, milliseconds", extra_json_schema={"format": "date-time"})]
CustomData = Annotated[
    dict[str, Any],
    Meta(description="Custom JSON object: at most 4,096 bytes (`max_data_bytes`), nested at most 32 deep"),
]
# Excludes control characters, and the bidi controls that make one name look like another (Unicode TR 36, section 2.4).
# `(?!\n)`, which JSON Schema's dialect supports too, is there because Python's `$` also matches before a final newline.
NO_CONTROLS = r"^[^\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]*$(?!\n)"
Url = Annotated[str, Meta(max_length=2048, pattern=r"^(https?://[!-~]+)?$(?!\n)")]


class Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An immutable value that layers pass to each other. Decoding one refuses unknown fields."""


def timestamp(moment: datetime) -> str:
    """Formats `moment`, which must be aware, as RFC 3339 in UTC with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
