"""Checks of events, replies and REST answers against asyncapi.yaml and openapi.yaml.

The documents allow additional keys, which clients ignore. These checks do not allow them.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml
from django.conf import settings
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import best_match

Schema = dict[str, Any]

ROOT: Final = "/api/v1/"
PROBLEM: Final = "application/problem+json"
# How many values of the same shape are checked: thousands of frames differ only in their numbers and texts.
CHECKS_PER_SHAPE: Final = 300
RETRYABLE: Final = {"rate_limited", "slow_mode", "overloaded", "unavailable"}
METHODS: Final = ("get", "put", "post", "delete", "patch")
# HEAD is implied by GET; OPTIONS may be a CORS preflight, which the views do not answer.
_IMPLIED: Final = {"HEAD", "OPTIONS"}
# Statuses of requests that are refused before their method is checked.
_REFUSED_EARLIER: Final = {400, 401, 406, 429}

formats = FormatChecker(formats=())


def is_time(value: object) -> bool:
    """Returns whether `value`, if it is text, is a time (RFC 3339) in UTC with milliseconds."""
    return not isinstance(value, str) or bool(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", value))


def is_uuid(value: object) -> bool:
    """Returns whether `value`, if it is text, is a UUID (RFC 9562, section 4) in lower case."""
    return not isinstance(value, str) or bool(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value))


formats.checks("date-time")(is_time)
formats.checks("uuid")(is_uuid)


class Document:
    """A document and the validators of its schemas."""

    def __init__(self, name: str) -> None:
        text = (Path(settings.BASE_DIR) / name).read_text()
        self.content: dict[str, Any] = yaml.load(text, yaml.CSafeLoader)
        self._validators: dict[str, Draft202012Validator] = {}
        self._seen: Counter[object] = Counter()

    def resolve(self, part: Any) -> Any:
        """Returns `part`, or the target of its `$ref`."""
        while isinstance(part, dict) and "$ref" in part:
            target: Any = self.content
            for name in part["$ref"].removeprefix("#/").split("/"):
                target = target[name.replace("~1", "/").replace("~0", "~")]
            part = target
        return part

    def check(self, value: object, schema: Schema, name: str, *, is_closed: bool = True) -> None:
        """Raises `AssertionError` if `value` does not match `schema`. The validator is cached under `name`."""
        key = name, shape_of(value)
        self._seen[key] += 1
        if self._seen[key] > CHECKS_PER_SHAPE:
            return
        if name not in self._validators:
            expanded = self.expand(schema, is_closed=is_closed)
            self._validators[name] = Draft202012Validator(expanded, format_checker=formats)
        error = best_match(self._validators[name].iter_errors(value))
        assert error is None, f"{name}: {error.json_path}: {error.message}\nin {value!r}"

    def expand(self, schema: Any, *, is_closed: bool) -> Any:
        """Returns `schema` with its references resolved and, if `is_closed`, without additional properties."""
        schema = self.resolve(schema)
        if isinstance(schema, list):
            return [self.expand(item, is_closed=is_closed) for item in schema]
        if not isinstance(schema, dict):
            return schema
        expanded = {name: self.expand(part, is_closed=is_closed) for name, part in schema.items() if name != "example"}
        if is_closed and "type" in expanded and isinstance(expanded.get("properties"), dict):
            expanded.setdefault("additionalProperties", False)
        return expanded


def shape_of(value: object) -> object:
    """Returns the keys and types of `value`, without its numbers and texts."""
    if isinstance(value, dict):
        return tuple((key, shape_of(item)) for key, item in value.items())
    if isinstance(value, list):
        return frozenset(shape_of(item) for item in value)
    return type(value)


# -- the socket -------------------------------------------------------------------------------------------------------


class Socket(Document):
    """asyncapi.yaml, which describes the socket."""

    def __init__(self) -> None:
        super().__init__("asyncapi.yaml")
        self.messages: dict[str, Any] = self.content["components"]["messages"]
        self.operations: dict[str, Any] = self.content["operations"]
        self.statuses = {error["code"]: error["status"] for error in self.content["x-error-codes"]}
        # The name of the document's message for each event, and for the reply to each action.
        self.events = {
            event: name
            for name, schema in self._payloads("emit")
            for event in schema["properties"].get("event", {}).get("enum", ())
        }
        self.replies = {
            action: answer
            for operation in self.operations.values()
            if "reply" in operation
            for answer, schema in self._payloads_of(operation["reply"])
            for action in schema["properties"]["action"].get("enum", ())
        }

    def check_frame(self, frame: Any) -> None:
        """Checks a frame that the server sent."""
        if "event" in frame:
            self.check_event(frame)
        else:
            self.check_reply(frame)

    def check_event(self, frame: Any) -> None:
        name = frame["event"]
        assert name in self.events, f"asyncapi.yaml has no event {name!r}: {frame!r}"
        self.check_message(self.events[name], frame)

    def check_reply(self, frame: Any) -> None:
        """Checks a reply: with errors, a refusal that the document allows for the action; without, the action's own."""
        if frame.get("errors"):
            self.check_message("Refusal", frame)
            self._check_errors(frame)
        else:
            action = frame.get("action")
            assert action in self.replies, f"asyncapi.yaml has no reply to {action!r}: {frame!r}"
            self.check_message(self.replies[action], frame)

    def check_message(self, name: str, payload: Any) -> None:
        """Checks a payload against the document's message `name`."""
        self.check(payload, self.messages[name]["payload"], name)

    def _check_errors(self, frame: Any) -> None:
        allowed = self.operations[frame["action"] or "refuse"]["x-errors"]
        for error in frame["errors"]:
            assert error["code"] in allowed, f"{frame['action']} may not be refused with {error['code']}: {frame!r}"
            assert frame["response_status"] == self.statuses[error["code"]], frame
            assert (error["retry_after"] is not None) == (error["code"] in RETRYABLE), frame

    def _payloads(self, operation: str) -> Iterator[tuple[str, Schema]]:
        return self._payloads_of(self.operations[operation])

    def _payloads_of(self, part: Any) -> Iterator[tuple[str, Schema]]:
        """Yields the name and payload schema of each message of an operation or of a reply."""
        for message in part["messages"]:
            name = message["$ref"].rpartition("/")[2]
            yield name, self.resolve(self.messages[name]["payload"])


# -- REST -------------------------------------------------------------------------------------------------------------


class Rest(Document):
    """openapi.yaml, which describes the REST API."""

    def __init__(self) -> None:
        super().__init__("openapi.yaml")
        # Literal segments come before parameters: rooms/public/ must not match rooms/{room}/.
        paths = sorted(self.content["paths"].items(), key=lambda item: item[0].replace("{", "~"))
        self.paths = {template: (self._pattern(template, item), item) for template, item in paths}

    def check_answer(self, method: str, path: str, status: int, headers: Mapping[str, str], content: bytes) -> None:
        """Checks an answer to `method` at `path`, which may have a query. Header names may be in any case."""
        path, method = path.partition("?")[0], method.upper()
        headers = {name.lower(): value for name, value in headers.items()}
        found = next((item for pattern, item in self.paths.values() if pattern.fullmatch(path)), None)
        operation = (found or {}).get(method.lower())
        if operation is not None:
            self._check_operation(operation, status, headers, content, is_ours=path.startswith(ROOT))
        elif path.startswith(ROOT) and method not in _IMPLIED:
            assert status in _REFUSED_EARLIER | {405 if found else 404}, f"{method} {path}: {status} {content!r}"
            self.check_problem(status, headers, content)

    def operations(self) -> Iterator[tuple[str, str, Any]]:
        """Yields the method, path template and definition of each operation under /api/v1/."""
        for template, (_, item) in self.paths.items():
            if template.startswith(ROOT):
                yield from ((method.upper(), template, item[method]) for method in METHODS if method in item)

    def check_problem(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
        """Checks a problem (RFC 9457): its status, its headers and its body must agree."""
        assert headers.get("content-type") == PROBLEM, (headers, content)
        problem = msgspec.json.decode(content)
        self.check(problem, {"$ref": "#/components/schemas/Problem"}, PROBLEM)
        code = problem["code"]
        assert problem["status"] == status == socket().statuses[code], problem
        assert (problem["retry_after"] is not None) == (code in RETRYABLE), problem
        assert ("retry-after" in headers) == (code in RETRYABLE), (headers, problem)
        assert ("www-authenticate" in headers) == (status == 401), (headers, problem)

    def _check_operation(
        self, operation: Any, status: int, headers: Mapping[str, str], content: bytes, *, is_ours: bool
    ) -> None:
        name = f"{operation['operationId']} {status}"
        answers = operation["responses"]
        answer = self.resolve(answers.get(str(status)) or (answers.get("default") if status >= 400 else None))
        if answer is None and not is_ours and status < 500:
            return  # allauth's part of the document omits some of its answers
        assert answer is not None, f"{name} is not in openapi.yaml: {content!r}"
        kinds = answer.get("content", {})
        if not kinds:
            assert content == b"", (name, content)
            return
        kind = headers.get("content-type", "")
        assert kind in kinds, f"{name} has the type {kind}, openapi.yaml allows {list(kinds)}: {content!r}"
        if kind == PROBLEM:
            self.check_problem(status, headers, content)
        else:
            self.check(msgspec.json.decode(content), kinds[kind]["schema"], name, is_closed=is_ours)

    def _pattern(self, template: str, item: Any) -> re.Pattern[str]:
        """Returns a pattern for the addresses of `template`, with parameters of the documented types."""
        kinds = {"uuid": r"(?i:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})", "integer": r"\d+"}
        lists = [part.get("parameters", ()) for part in (item, *(item[name] for name in METHODS if name in item))]
        parameters = [self.resolve(parameter) for group in lists for parameter in group]
        schemas = {parameter["name"]: parameter.get("schema", {}) for parameter in parameters}
        pattern = re.escape(template)
        for name, schema in schemas.items():
            kind = kinds.get(schema.get("format", schema.get("type")), "[^/]+")
            pattern = pattern.replace(re.escape("{" + name + "}"), kind)
        return re.compile(pattern)


@cache
def socket() -> Socket:
    return Socket()


@cache
def rest() -> Rest:
    return Rest()
