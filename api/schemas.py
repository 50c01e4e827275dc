"""JSON Schemas of structs, for both generated documents.

A schema of what the server receives allows no unknown keys. A schema of what it sends requires every key that is always
sent, and allows others, because clients ignore keys that they do not know.
"""

from typing import Any, Final

import msgspec

from messaging.wire.registry import LOG_EVENTS
from messaging.wire.shapes import LogPage
from rooms.events import Gap

REF: Final = "#/components/schemas/{name}"
# The events that a page of a room's log can contain.
ENTRIES: Final[tuple[type[msgspec.Struct], ...]] = (*LOG_EVENTS.values(), Gap)
# The items of pages whose items are encoded before the page: their type says only that they are JSON.
_PAGES: Final[dict[type, tuple[type[msgspec.Struct], ...]]] = {LogPage: ENTRIES}

Schemas = dict[str, dict[str, Any]]


def schemas_received(*kinds: type[msgspec.Struct]) -> Schemas:
    """Returns the schemas of `kinds`, which clients send, and of the types in their fields, by name.

    What a struct has as `json_schema` is added to its schema.
    """
    schemas = _schemas_of(kinds)
    for kind in kinds:
        schemas[kind.__name__] |= getattr(kind, "json_schema", {})
    return schemas


def schemas_sent(*kinds: type[msgspec.Struct]) -> Schemas:
    """Returns the schemas of `kinds`, which the server sends, and of the types in their fields, by name."""
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
    """Returns the schema of a struct that is sent: fields with a default are sent too, and are therefore required."""
    required = {*schema["required"]}
    for name, field in schema["properties"].items():
        if "default" in field:
            del field["default"]
            required.add(name)
    open_schema = {key: value for key, value in schema.items() if key != "additionalProperties"}
    return open_schema | {"required": [name for name in schema["properties"] if name in required]}
