"""Checks the fields of requests against the bounds that are settings, and translates msgspec's errors. Pure.

Every request, over the socket and over REST, is checked here by the names of its fields: a name has the same meaning in
all requests.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

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


CHECKS: Final[Mapping[str, Callable[[Any, Limits], None]]] = {
    "text": _check_text,
    "client_id": _check_client_id,
    "data": _check_data,
    "limit": _check_limit,
}
# Returned in the reply and never stored.
_WITH_STRINGS: Final = (str, list)
_UNCHECKED: Final = frozenset({"request_id"})


def check_fields(request: msgspec.Struct, limits: Limits) -> None:
    """Checks the fields of `request` by `CHECKS`, and all other strings and lists for values that cannot be stored.

    Raises `Invalid` or `TooLarge`, with the path of the field.
    """
    for name in request.__struct_fields__:
        value = getattr(request, name)
        if not value or name in _UNCHECKED:
            continue
        check = CHECKS.get(name)
        if check is not None and value is not msgspec.UNSET:
            check(value, limits)
        elif isinstance(value, _WITH_STRINGS):
            check_json(value, field=name)


def invalid(error: Exception) -> Invalid:
    """Returns the error for a request that msgspec could not decode, with the path of the invalid field if known."""
    if isinstance(error, RecursionError):
        return Invalid("The JSON is nested too deeply.")
    text = str(error)
    at, field = _AT.search(text), _FIELD.search(text)
    path = ".".join(part for part in (at and at["path"], field and field["field"]) if part)
    return Invalid(_AT.sub("", text) + ".", field=path or None)
