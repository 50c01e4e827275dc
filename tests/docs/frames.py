"""Checks frames in the documents against the schemas that the server publishes and the types in the code."""

import re
from functools import cache
from typing import Any

import jsonschema
import msgspec
import yaml

from messaging.wire.registry import ACTIONS
from tests.docs.blocks import ROOT

Frame = dict[str, Any]

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@cache
def components(document: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / document).read_text())["components"]
    return found


def check_named(value: object, schema: str) -> None:
    """Checks `value` against the schema of this name in asyncapi.yaml or openapi.yaml."""
    document = "asyncapi.yaml" if schema in components("asyncapi.yaml")["schemas"] else "openapi.yaml"
    jsonschema.validate(value, _schema(document, schema), format_checker=jsonschema.FormatChecker())


def check_frame(frame: Frame) -> None:
    """Checks a request, a reply or an event as it would be on the wire."""
    if "event" in frame:
        names = _schemas_for("event", frame["event"], is_reply=False)
    elif "response_status" in frame:
        names = _schemas_for("action", frame["action"], is_reply=True)
        _check_reply(frame)
    else:
        names = _schemas_for("action", frame["action"], is_reply=False)
    assert names, f"no schema for {frame}"
    failures = [failure for name in names if (failure := _failure(frame, name))]
    assert len(failures) < len(names), "\n".join(failures)


def masked(value: object) -> Any:
    """Returns `value` without the ids and times, which differ from run to run."""
    text = msgspec.json.encode(value).decode()
    return msgspec.json.decode(_TIME.sub("TIME", _UUID.sub("ID", text)))


def _check_reply(frame: Frame) -> None:
    kind = ACTIONS[frame["action"]].contract.answer
    if frame["errors"] or kind is None:
        assert frame["data"] is None
    else:
        msgspec.convert(frame["data"], type=kind)  # strict: all its fields, and no others


def _schemas_for(field: str, value: str, *, is_reply: bool) -> list[str]:
    """Returns the names of the schemas of replies, or of the frames whose `field` may have this value."""
    found = []
    for name, schema in components("asyncapi.yaml")["schemas"].items():
        properties = schema.get("properties", {})
        if field not in properties or ("response_status" in properties) is not is_reply:
            continue
        if is_reply or value in properties[field].get("enum", []):
            found.append(name)
    return found


def _failure(frame: Frame, schema: str) -> str:
    try:
        check_named(frame, schema)
    except jsonschema.ValidationError as error:
        return f"{schema}: {error.message}"
    return ""


def _schema(document: str, name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}", "components": components(document)}
