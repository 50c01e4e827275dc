"""The documents: openapi.yaml from the views and their structs, and the serving of both."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from api.problems import CONTENT_TYPE, Problem

_REF = "#/components/schemas/{name}"
_INDEX = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Roomlog</title>
<h1>Roomlog</h1>
<ul>
<li><a href="/openapi.yaml">openapi.yaml</a>: REST, under /api/v1/</li>
<li><a href="/asyncapi.yaml">asyncapi.yaml</a>: the socket at /ws/</li>
</ul>
</html>
"""


class StructExtension(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """Lets a view name a msgspec struct where drf-spectacular expects a serializer."""

    target_class = "msgspec.Struct"
    match_subclasses = True

    def get_name(self, auto_schema: Any, direction: Any) -> str:
        return str(self.target.__name__)

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        _, components = msgspec.json.schema_components((self.target,), ref_template=_REF)
        own: dict[str, Any] = components.pop(self.target.__name__)
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
    """The answers of an endpoint: `kind` (None for an empty one) with `status`, or a problem."""
    return {status: OpenApiResponse(kind), ("default", CONTENT_TYPE): Problem}


def parameters_of(query: type[msgspec.Struct]) -> list[OpenApiParameter]:
    """The fields of `query` as query parameters."""
    _, components = msgspec.json.schema_components((query,), ref_template=_REF)
    return [
        OpenApiParameter(name, schema, OpenApiParameter.QUERY)
        for name, schema in components[query.__name__]["properties"].items()
    ]


def render_openapi() -> str:
    schema = SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]
    return to_yaml(schema)


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


def index(request: HttpRequest) -> HttpResponse:
    return HttpResponse(_INDEX)
