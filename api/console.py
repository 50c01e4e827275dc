"""The pages at /docs/: a console, and references for REST and the socket, rendered from the generated documents."""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import yaml
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from foundation.schema import MAX_INTEGER

# Added to the policy of every page. Forms are submitted by scripts only.
_POLICY = ("base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "object-src 'none'")
_BOUNDS = {
    "minimum": "at least {}", "maximum": "at most {}", "minLength": "at least {} characters",
    "maxLength": "at most {} characters", "minItems": "at least {} items", "maxItems": "at most {} items",
    "maxProperties": "at most {} entries", "pattern": "matches {}",
}  # fmt: skip


class Part(NamedTuple):
    """A piece of the text that describes a type. If it is a shape, the text is its name, which the page links."""

    text: str
    is_shape: bool = False


class Field(NamedTuple):
    """A row of a shape's table. `notes` has the default and the bounds."""

    name: str
    type: list[Part]
    required: bool
    notes: str


class Shape(NamedTuple):
    """A schema, for people: its fields as a table, and the JSON Schema as text."""

    name: str
    description: SafeString
    fields: list[Field]
    schema: str


class DocumentedMessage(NamedTuple):
    """A message of asyncapi.yaml, with the payloads of its examples."""

    shape: Shape
    examples: list[Any]

    @property
    def example(self) -> str:
        return _pretty(self.examples[0])


class DocumentedAction(NamedTuple):
    """A request, its reply, the type of the reply's `data` and the codes that it may be refused with."""

    name: str
    request: DocumentedMessage
    reply: DocumentedMessage
    data: list[Part]
    errors: list[str]


class DocumentedEvent(NamedTuple):
    """An event, by its name on the wire."""

    name: str
    shape: Shape
    example: str


class Reference(NamedTuple):
    """The content of the socket's page, and `templates`: by action, the frame that the console offers to send."""

    actions: list[DocumentedAction]
    events: list[DocumentedEvent]
    refusal: DocumentedMessage
    shapes: list[Shape]
    closes: list[dict[str, Any]]
    errors: list[dict[str, Any]]
    templates: dict[str, Any]


class _Document:
    """asyncapi.yaml, decoded, with its references resolved."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.content = content
        self.schemas: dict[str, Any] = content["components"]["schemas"]
        self.messages: dict[str, Any] = content["components"]["messages"]
        self.operations: dict[str, Any] = content["operations"]

    def message(self, name: str) -> DocumentedMessage:
        message = self.messages[name]
        examples = [example["payload"] for example in message["examples"]]
        return DocumentedMessage(self.shape(_last(message["payload"])), examples)

    def shape(self, name: str) -> Shape:
        schema = self.schemas[name]
        required = schema.get("required", ())
        fields = [
            Field(field, list(_type_of(part)), field in required, _notes_of(part))
            for field, part in schema.get("properties", {}).items()
        ]
        return Shape(name, _prose(schema.get("description", "")), fields, _pretty(schema))

    def action(self, name: str) -> DocumentedAction:
        operation = self.operations[name]
        request = self.message(_last(operation["messages"][0]))
        reply = self.message(_last(operation["reply"]["messages"][0]))
        (data,) = (field.type for field in reply.shape.fields if field.name == "data")
        return DocumentedAction(name, request, reply, data, operation["x-errors"])

    def events(self) -> Iterator[DocumentedEvent]:
        """Yields the events that the server sends without being asked."""
        for reference in self.operations["emit"]["messages"]:
            message = self.message(_last(reference))
            yield DocumentedEvent(message.examples[0]["event"], message.shape, message.example)

    def template(self, action: DocumentedAction) -> dict[str, Any]:
        """Returns the example of a request, without `request_id`, which the console adds, and with default flags."""
        properties = self.schemas[action.request.shape.name]["properties"]
        return {
            field: properties[field].get("default", value) if isinstance(value, bool) else value
            for field, value in action.request.examples[0].items()
            if field != "request_id"
        }


@cache
def read_reference() -> Reference:
    """Returns the content of asyncapi.yaml, in the order of the page. The file is read once."""
    document = _Document(yaml.safe_load((Path(settings.BASE_DIR) / "asyncapi.yaml").read_text()))
    actions = [document.action(name) for name, operation in document.operations.items() if "reply" in operation]
    payloads = {_last(message["payload"]) for message in document.messages.values()}
    return Reference(
        actions=actions,
        events=list(document.events()),
        refusal=document.message("Refusal"),
        shapes=[document.shape(name) for name in document.schemas if name not in payloads],
        closes=[close | {"advice": _prose(close["advice"])} for close in document.content["x-close-codes"]],
        errors=[error | {"summary": _prose(error["summary"])} for error in document.content["x-error-codes"]],
        templates={action.name: document.template(action) for action in actions},
    )


def _prose(text: str) -> SafeString:
    """Renders text with code between backticks."""
    parts = text.split("`")
    shown = (format_html("<code>{}</code>", part) if number % 2 else part for number, part in enumerate(parts))
    return format_html_join("", "{}", ((part,) for part in shown))


def _type_of(schema: dict[str, Any]) -> Iterator[Part]:
    match schema:
        case {"$ref": _}:
            yield Part(_last(schema), is_shape=True)
        case {"anyOf": [first, *others]}:
            yield from _type_of(first)
            for other in others:
                yield Part(" or ")
                yield from _type_of(other)
        case {"enum": values}:
            yield Part(" or ".join(_compact(value) for value in values))
        case {"type": "array", "items": items}:
            yield Part("list of ")
            yield from _type_of(items)
        case {"type": "object", "additionalProperties": dict(values)}:
            yield Part("object, each value ")
            yield from _type_of(values)
        case _:
            yield Part(schema.get("format") or schema.get("type", "anything"))


def _notes_of(schema: dict[str, Any]) -> str:
    """Returns the description, the default and the bounds, including those of the alternatives of a union."""
    described = [schema["description"]] if "description" in schema else []
    default = [f"default {_compact(schema['default'])}"] if "default" in schema else []
    parts = [schema, *schema.get("anyOf", ())]
    bounds = [
        text.format(part[key])
        for part in parts
        for key, text in _BOUNDS.items()
        if key in part and part[key] not in (MAX_INTEGER, -MAX_INTEGER)  # the bounds of every integer
    ]
    return "; ".join([*described, ", ".join([*default, *bounds])]).removesuffix("; ")


def _last(reference: dict[str, str]) -> str:
    return reference["$ref"].rpartition("/")[2]


def _compact(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _pretty(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


# -- Pages -------------------------------------------------------------------------------------------------------


def show_console(request: HttpRequest) -> HttpResponse:
    return _page(request, "docs/console.html", {"reference": read_reference()})


def show_socket(request: HttpRequest) -> HttpResponse:
    return _page(request, "docs/socket.html", {"reference": read_reference()})


def show_rest(request: HttpRequest) -> HttpResponse:
    """Shows Swagger UI, whose style sheet has embedded images."""
    return _page(request, "docs/rest.html", {}, ("img-src 'self' data:",))


def _page(request: HttpRequest, template: str, content: dict[str, Any], more: Sequence[str] = ()) -> HttpResponse:
    """Renders a page whose Content-Security-Policy allows only this origin, and the directives in `more`."""
    host = request.get_host()
    # The socket is listed because not every browser counts it as 'self'. A policy cannot contain an IPv6 address.
    connect = "connect-src 'self'" if host.startswith("[") else f"connect-src 'self' ws://{host} wss://{host}"
    answer = render(request, template, {**content, "path": request.path})
    answer["Content-Security-Policy"] = "; ".join(("default-src 'self'", connect, *_POLICY, *more))
    return answer
