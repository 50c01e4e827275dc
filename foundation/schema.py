"""The types that every JSON shape is made of. Knows no framework."""

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

# The largest integer that every JSON reader holds exactly (RFC 8259, section 6).
MAX_INTEGER = 2**53 - 1
Timestamp = Annotated[str, Meta(description="RFC 3339, UTC, milliseconds", extra_json_schema={"format": "date-time"})]
CustomData = Annotated[
    dict[str, Any],
    Meta(description="JSON of the clients' own: at most 4,096 bytes (`max_data_bytes`), nested at most 32 deep"),
]
# Control characters, and the bidi controls that let one name pass for another (Unicode TR 36, section 2.4).
# Python's `$` matches before a line end, too: hence `(?!\n)`, which JSON Schema's dialect knows as well.
NO_CONTROLS = r"^[^\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]*$(?!\n)"
Url = Annotated[str, Meta(max_length=2048, pattern=r"^(https?://[!-~]+)?$(?!\n)")]


class Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A value that crosses layers."""


def timestamp(moment: datetime) -> str:
    """`moment` (aware) as RFC 3339 in UTC with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
