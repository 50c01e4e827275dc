"""Checks the fields of requests against the bounds that are settings, and translates msgspec's errors. Pure.

Every request, over the socket and over REST, is checked here by the names of its fields: a name has the same meaning in
all requests.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final, get_args

import msgspec

from foundation.errors import Invalid, TooLarge
from foundation.text import check_json, check_text
from messaging.wire.limits import Limits

_encoder = msgspec.json.Encoder()
# The end of msgspec's messages. It writes `[...]` for an item of a dict or list, and "`key` in" for the key of a dict.
_AT = re.compile(r" - at (?:`key` in )?`\$\.?(?P<path>[^`]*?)(?:\[\.\.\.\])*`$")
_FIELD = re.compile(r"(?:unknown|required) field `(?P<field>[^`]*)`")


def _check_text(text: str, limits: Limits) -> None:
    if len(text) > limits.max_text_chars:
        raise TooLarge(f"The text is longer than {limits.max_text_chars} characters.", field="text")
    check_text(text, field="text")


def _check_client_id(client_id: str, limits: Limits) -> None:
    if len(client_id) > limits.max_client_id_chars:
        raise Invalid(f"Must have at most {limits.max_client_id_chars} characters.", field="client_id")


def _check_data(data: dict[str, Any], limits: Limits) -> None:
    check_json(data, field="data")
    if len(_encoder.encode(data)) > limits.max_data_bytes:
        raise TooLarge(f"`data` is larger than {limits.max_data_bytes} bytes.", field="data")


def _check_limit(limit: int, limits: Limits) -> None:
    if limit > limits.history_page_max:
        raise Invalid(f"Must be at most {limits.history_page_max}.", field="limit")


Check = Callable[[Any, Limits], None]
CHECKS: Final[Mapping[str, Check]] = {
    "text": _check_text,
    "client_id": _check_client_id,
    "data": _check_data,
    "limit": _check_limit,
}
# Returned in the reply and never stored.
_UNCHECKED: Final = frozenset({"request_id"})


def check_fields(request: msgspec.Struct, limits: Limits) -> None:
    """Checks the fields of `request` by `CHECKS`, and all other strings and lists for values that cannot be stored.

    Raises `Invalid` or `TooLarge`, with the path of the field.
    """
    for name, check in _checks_of(type(request)):
        value = getattr(request, name)
        if value and value is not msgspec.UNSET:
            check(value, limits)


@cache
def _checks_of(kind: type[msgspec.Struct]) -> list[tuple[str, Check]]:
    """Returns the fields of `kind` that need a check, each with its check."""
    fields = [field for field in msgspec.structs.fields(kind) if field.name not in _UNCHECKED]
    return [
        (field.name, CHECKS.get(field.name) or _check_strings(field.name))
        for field in fields
        if field.name in CHECKS or _may_hold_strings(field.type)
    ]


def _check_strings(field: str) -> Check:
    return lambda value, limits: check_json(value, field=field)


def _may_hold_strings(hint: Any) -> bool:
    return hint in (str, Any) or any(map(_may_hold_strings, get_args(hint)))


def invalid(error: Exception) -> Invalid:
    """Returns the error for a request that msgspec could not decode, with the path of the invalid field if known."""
    if isinstance(error, RecursionError):
        return Invalid("The JSON is nested too deeply.")
    text = str(error)
    at, field = _AT.search(text), _FIELD.search(text)
    path = ".".join(part for part in (at and at["path"], field and field["field"]) if part)
    return Invalid(_AT.sub("", text) + ".", field=path or None)
