"""The bounds of what clients send, and what is said of a value that breaks one. Pure."""

import re
from typing import Any

import msgspec

from foundation.errors import Invalid, TooLarge
from foundation.text import check_json, check_text
from messaging.wire.actions import AnyAction, History, Send
from messaging.wire.limits import Limits

_encoder = msgspec.json.Encoder()

# msgspec writes `[...]` for an item of custom data, "`key` in" for a key.
_AT = re.compile(r" - at (?:`key` in )?`\$\.?(?P<path>[^`]*?)(?:\[\.\.\.\])*`$")

_FIELD = re.compile(r"(?:unknown|required) field `(?P<field>[^`]*)`")


def check_limits(action: AnyAction, limits: Limits) -> None:
    """The bounds that are settings, for both doors. Raises `Invalid` or `TooLarge`."""
    if isinstance(action, Send):
        if len(action.text) > limits.max_text_chars:
            raise TooLarge(f"The text is longer than {limits.max_text_chars} characters.", field="text")
        check_text(action.text, field="text")
        if action.client_id is not None and len(action.client_id) > limits.max_client_id_chars:
            raise Invalid(f"Longer than {limits.max_client_id_chars} characters.", field="client_id")
        if action.data:
            check_data(action.data, limits)
    elif isinstance(action, History) and action.limit > limits.history_page_max:
        raise Invalid(f"At most {limits.history_page_max}.", field="limit")


def check_data(data: dict[str, Any], limits: Limits) -> None:
    """The bounds of custom JSON. Raises `Invalid` or `TooLarge`."""
    check_json(data, field="data")
    if len(_encoder.encode(data)) > limits.max_data_bytes:
        raise TooLarge(f"`data` is larger than {limits.max_data_bytes} bytes.", field="data")


def invalid(error: Exception) -> Invalid:
    """What msgspec found, with the path of the field at fault."""
    if isinstance(error, RecursionError):
        return Invalid("The JSON is nested too deep.")
    text = str(error)
    at, field = _AT.search(text), _FIELD.search(text)
    path = ".".join(part for part in (at and at["path"], field and field["field"]) if part)
    return Invalid(_AT.sub("", text) + ".", field=path or None)
