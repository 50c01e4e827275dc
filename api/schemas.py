"""JSON Schema of the structs, for both documents: what clients send is closed, what the server sends is whole."""

from typing import Any, Final

import msgspec

from messaging.wire.registry import LOG_EVENTS
from messaging.wire.shapes import LogPage
from rooms.events import Gap

REF: Final = "#/components/schemas/{name}"
# What a page of a room's log holds.
ENTRIES: Final[tuple[type[msgspec.Struct], ...]] = (*LOG_EVENTS.values(), Gap)
# Pages of frames that are encoded already: msgspec knows only that they are JSON.
_PAGES: Final[dict[type, tuple[type[msgspec.Struct], ...]]] = {LogPage: ENTRIES}

Schemas = dict[str, dict[str, Any]]


def schemas_taken(*kinds: type[msgspec.Struct]) -> Schemas:
    """Of `kinds` and of all that they hold, by name: with the bounds, and with what a `json_schema` of theirs adds."""
    schemas = _schemas_of(kinds)
    for kind in kinds:
        schemas[kind.__name__] |= getattr(kind, "json_schema", {})
    return schemas


def schemas_sent(*kinds: type[msgspec.Struct]) -> Schemas:
    """Of `kinds` and of all that they hold, by name: always with all their fields, and with more tomorrow."""
    entries = tuple(entry for kind in kinds for entry in _PAGES.get(kind, ()))
    schemas = {name: _as_sent(schema) for name, schema in _schemas_of((*kinds, *entries)).items()}
    for kind in _PAGES.keys() & {*kinds}:
        items = [{"$ref": REF.format(name=entry.__name__)} for entry in _PAGES[kind]]
        schemas[kind.__name__]["properties"]["results"]["items"] = {"oneOf": items}
    return schemas


def _schemas_of(kinds: tuple[type, ...]) -> Schemas:
    _, schemas = msgspec.json.schema_components(kinds, ref_template=REF)
    return schemas


def _as_sent(schema: dict[str, Any]) -> dict[str, Any]:
    """A field with a default is written like any other; what may be left out has none. Clients ignore unknown keys."""
    required = {*schema["required"]}
    for name, field in schema["properties"].items():
        if "default" in field:
            del field["default"]
            required.add(name)
    open_schema = {key: value for key, value in schema.items() if key != "additionalProperties"}
    return open_schema | {"required": [name for name in schema["properties"] if name in required]}
