"""What a string or a piece of custom JSON may hold, whichever door it comes through. Knows no framework."""

from foundation.errors import Invalid
from foundation.schema import MAX_INTEGER

MAX_JSON_DEPTH = 32


def check_text(text: str, *, field: str) -> None:
    """Refuse what PostgreSQL cannot store (NUL) and what UTF-8 cannot carry (lone surrogates). Raises `Invalid`."""
    if "\x00" in text:
        raise Invalid("NUL characters are not allowed.", field=field)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Invalid("Lone surrogates are not allowed.", field=field) from None


def check_json(value: object, *, field: str, depth: int = 0) -> None:
    """Refuse custom JSON that is too deep, or whose strings or integers other readers would not hold."""
    if depth > MAX_JSON_DEPTH:
        raise Invalid(f"Nested more than {MAX_JSON_DEPTH} deep.", field=field.partition(".")[0].partition("[")[0])
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
        raise Invalid("Integers must lie within ±(2^53 - 1).", field=field)
