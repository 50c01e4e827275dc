"""Renders openapi.yaml from the views, their structs and django-allauth, and serves both generated documents."""

import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import allauth.headless.spec.urls
import allauth.headless.urls
import msgspec
import yaml
from allauth.headless.spec.internal.schema import get_schema
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import include, path, set_urlconf
from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from api.problems import CONTENT_TYPE, Problem
from api.schemas import schemas_received, schemas_sent
from messaging.wire.actions import Action

# The path of django-allauth, and a prefix for the names of its schemas, some of which (User) are also ours.
_ALLAUTH_ROOT = "_allauth/"
_ALLAUTH_NAMES = "Allauth"
# Left out of the document: Roomlog has no phone numbers, and allauth's views of them fail.
UNSERVED: Final = re.compile(r"_allauth/app/v1/(account|auth)/phone")
_EXAMPLE_ID = "01980000-0000-7000-8000-00000000000a"
_ALLAUTH_TAG = {"name": "accounts", "description": "Sign-up, login, tokens and sessions, by django-allauth."}


class StructExtension(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """Lets views pass msgspec structs to drf-spectacular in place of serializers."""

    target_class = "msgspec.Struct"
    match_subclasses = True

    def get_name(self, auto_schema: Any, direction: Any) -> str:
        return str(self.target.__name__)

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        components = (schemas_received if direction == "request" else schemas_sent)(self.target)
        own = components.pop(self.target.__name__)
        structs = {kind.__name__: kind for kind in _subclasses(msgspec.Struct)}
        for name, schema in components.items():
            component = ResolvedComponent(  # type: ignore[no-untyped-call]
                name=name, type=ResolvedComponent.SCHEMA, object=structs.get(name, name), schema=schema
            )
            auto_schema.registry.register_on_missing(component)
        return own


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "api.authentication.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


def answers(kind: Any, *, status: int = 200) -> dict[Any, Any]:
    """Returns the responses of an endpoint: a `kind` (None for an empty body) with `status`, or a problem."""
    return {
        status: OpenApiResponse(kind, description=HTTPStatus(status).phrase),
        ("default", CONTENT_TYPE): OpenApiResponse(Problem, description="The request was refused."),
    }


def answers_of(action: type[Action]) -> dict[Any, Any]:
    """Returns the responses of an endpoint that does what `action` does on the socket."""
    return answers(action.contract.answer, status=action.contract.status)


def parameters_of(query: type[msgspec.Struct]) -> list[OpenApiParameter]:
    """Returns the fields of `query` as query parameters."""
    fields = schemas_received(query)[query.__name__]["properties"]
    return [
        OpenApiParameter(name, _without_null(field), OpenApiParameter.QUERY, description=field.pop("description", ""))
        for name, field in fields.items()
    ]


def render_openapi() -> str:
    """Returns the text of openapi.yaml, for our views and those of django-allauth."""
    schema = SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]
    for operation in (operation for methods in schema["paths"].values() for operation in methods.values()):
        if "requestBody" in operation:  # drf-spectacular lets a patch leave it out, but an empty one is `{}`
            operation["requestBody"]["required"] = True
    _add_allauth(schema)
    return to_yaml(schema)


def _without_null(field: dict[str, Any]) -> dict[str, Any]:
    """Returns the schema of a query parameter. An optional one is left out, never null."""
    match field:
        case {"anyOf": [dict(kind), {"type": "null"}]}:
            return kind
    return field


def _add_allauth(document: dict[str, Any]) -> None:
    """Adds django-allauth's own specification to `document`: its paths, and the components that they refer to."""
    spec = _renamed(_allauth_spec())
    ours = {
        tag for methods in document["paths"].values() for operation in methods.values() for tag in operation["tags"]
    }
    document["tags"] = [*({"name": tag} for tag in sorted(ours)), _ALLAUTH_TAG]
    for address in [address for address in spec["paths"] if UNSERVED.search(address)]:
        del spec["paths"][address]
    for address, methods in spec["paths"].items():
        for method, operation in methods.items():
            name = address.removeprefix(f"/{_ALLAUTH_ROOT}app/v1/").replace("/", "_")
            operation |= {"tags": [_ALLAUTH_TAG["name"]], "operationId": f"{method}_{name}"}
            operation["security"] = [{"bearer": []}, {}]
    document["paths"] |= spec["paths"]
    for section, name in sorted(_needed(spec["paths"], spec["components"])):
        document["components"].setdefault(section, {})[name] = spec["components"][section][name]


def _allauth_spec() -> dict[str, Any]:
    """Returns the specification that allauth generates under our settings.

    allauth finds the root of its paths by the URL of its specification. Roomlog does not serve that, because allauth
    would also serve a page that loads scripts from a CDN. The URL exists only during this call.
    """
    served = (*allauth.headless.urls.urlpatterns, *allauth.headless.spec.urls.urlpatterns)
    set_urlconf((path(_ALLAUTH_ROOT, include((served, "headless"))),))  # type: ignore[arg-type]
    try:
        spec = get_schema()
    finally:
        set_urlconf(None)
    random_id = spec["components"]["schemas"]["User"]["properties"]["id"]["example"]  # a random one
    text = msgspec.json.encode(spec).decode().replace(random_id, _EXAMPLE_ID)
    fixed: dict[str, Any] = msgspec.json.decode(text)
    return fixed


def _renamed(spec: Any) -> Any:
    """Returns `spec` with `_ALLAUTH_NAMES` in front of the names of its components, as OpenAPI 3.1."""
    spec["components"] = {
        section: {f"{_ALLAUTH_NAMES}{name}": component for name, component in components.items()}
        for section, components in spec["components"].items()
    }
    return _as_3_1(spec)


def _as_3_1(part: Any) -> Any:
    match part:
        case {"$ref": str(ref)}:
            path_of_section, _, name = ref.rpartition("/")
            return {"$ref": f"{path_of_section}/{_ALLAUTH_NAMES}{name}"}
        case {"nullable": True, "type": str(kind), **rest}:
            return _as_3_1(rest | {"type": [kind, "null"]})
        case {"oneOf": list(kinds), **rest}:  # the kinds overlap: an answer may be of several
            return _as_3_1(rest | {"anyOf": kinds})
        case dict():
            return {key: _as_3_1(value) for key, value in part.items()}
        case list():
            return [_as_3_1(value) for value in part]
    return part


def _needed(part: Any, components: dict[str, Any]) -> set[tuple[str, str]]:
    """Returns the section and the name of each component to which `part` refers, directly or not."""
    found: set[tuple[str, str]] = set()
    waiting = list(_references(part))
    while waiting:
        if (component := waiting.pop()) not in found:
            found.add(component)
            section, name = component
            waiting += _references(components[section][name])
    return found


def _references(part: Any) -> Iterator[tuple[str, str]]:
    match part:
        case {"$ref": str(ref)}:
            _, _, section, name = ref.split("/")
            yield section, name
        case dict() | list():
            for value in part.values() if isinstance(part, dict) else part:
                yield from _references(value)


def to_yaml(document: Any) -> str:
    plain = msgspec.json.decode(msgspec.json.encode(document))
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=110)


def _subclasses(kind: type) -> Iterator[type]:
    children: list[type] = kind.__subclasses__()
    for child in children:
        yield child
        yield from _subclasses(child)


def serve(request: HttpRequest, name: str) -> HttpResponse:
    return HttpResponse((Path(settings.BASE_DIR) / name).read_bytes(), content_type="application/yaml")
