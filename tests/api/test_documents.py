"""healthz, openapi.yaml, asyncapi.yaml, docs/"""

import pytest
import yaml
from django.test import Client
from django.urls import URLPattern

from api.urls import v1


def test_it_works(client: Client) -> None:
    answer = client.get("/healthz")

    assert (answer.status_code, answer.content) == (200, b"ok\n")


@pytest.mark.parametrize("name", ["openapi", "asyncapi"])
def test_it_serves_its_documents_to_anybody(client: Client, name: str) -> None:
    answer = client.get(f"/{name}.yaml")

    assert answer.status_code == 200
    assert yaml.safe_load(answer.getvalue())[name].startswith("3.")


def test_it_documents_every_address(client: Client) -> None:
    paths = yaml.safe_load(client.get("/openapi.yaml").getvalue())["paths"]
    routes = {str(pattern.pattern) for pattern in v1 if isinstance(pattern, URLPattern)}

    for kind in ("uuid:", "int:", "str:"):
        routes = {route.replace(f"<{kind}", "{").replace(">", "}") for route in routes}
    assert {path.removeprefix("/api/v1/") for path in paths} == routes


def test_it_leads_to_them(client: Client) -> None:
    answer = client.get("/docs/")

    assert answer.status_code == 200
    assert b"/openapi.yaml" in answer.content
    assert b"/asyncapi.yaml" in answer.content
