"""Checks of strings and custom JSON, the same over REST and the socket. Knows no framework."""

from foundation.errors import Invalid
from foundation.schema import MAX_INTEGER

MAX_JSON_DEPTH = 32


def check_text(text: str, *, field: str) -> None:
    """Raises `Invalid` if `text` has NUL, which PostgreSQL cannot store, or lone surrogates, which UTF-8 cannot encode.

    `field` is the path of `text` in the request, for the error.
    """
    if "\x00" in text:
        raise Invalid("NUL characters are not allowed.", field=field)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Invalid("Lone surrogates are not allowed.", field=field) from None


def check_json(value: object, *, field: str, depth: int = 0) -> None:
    """Raises `Invalid` if `value`, decoded JSON, is nested too deeply or has a string or integer that is not portable.

    `field` is the path of `value` in the request; the error has the path of the item, such as `data.tags[2]`. `depth`
    is for the recursion.
    """
    if depth > MAX_JSON_DEPTH:
        raise Invalid(
            f"JSON may be nested at most {MAX_JSON_DEPTH} levels deep.", field=field.partition(".")[0].partition("[")[0]
        )
    if isinstance(value, str):
        check_text(value, field=field)
    elif isinstance(value, dict):
        for key, item in value.items():
            check_text(key, field=field)
            check_json(item, field=f"{field}.{key}", depth=depth + 1)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            check_json(item, field=f"{field}[{index}]", depth=depth + 1)
    elif isinstance(value, int) and abs(value) > MAX_INTEGER:
        raise Invalid("Integers must be between -(2^53 - 1) and 2^53 - 1.", field=field)
