"""healthz, openapi.yaml, asyncapi.yaml, docs/"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml
from django.conf import settings
from django.core.management import call_command
from django.test import Client
from django.urls import URLPattern, resolve
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from api.documents import render_openapi
from api.urls import v1
from foundation.errors import DomainError
from foundation.text import MAX_JSON_DEPTH
from messaging.wire.limits import Limits
from messaging.wire.registry import ACTIONS
from tests.api.rest import Rest
from tests.contract import documents
from tests.engine import only_on
from tests.people import Person

pytestmark = only_on("sqlite")

PAGES = ["/docs/", "/docs/rest/", "/docs/socket/"]


@cache
def document(name: str) -> Any:
    return yaml.safe_load((Path(settings.BASE_DIR) / f"{name}.yaml").read_text())


def read(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def references(part: Any) -> Iterator[str]:
    """Yields the value of each `$ref` in `part`."""
    for key, value in part.items() if isinstance(part, dict) else enumerate(part):
        if key == "$ref":
            yield value
        elif isinstance(value, dict | list):
            yield from references(value)


def part_at(content: Any, pointer: str) -> Any:
    """Returns the part of `content` that a JSON pointer names."""
    for key in pointer.removeprefix("#/").split("/"):
        content = content[key]
    return content


def assert_valid(value: Any, name: str, pointer: str) -> None:
    """Asserts that `value` matches the schema at `pointer` in the document."""
    registry: Registry[Any] = Registry().with_resource("urn:it", DRAFT202012.create_resource(document(name)))
    Draft202012Validator({"$ref": f"urn:it{pointer}"}, registry=registry).validate(value)


def is_served(client: Client, address: str) -> bool:
    """Returns whether there is content at `address`. Reads it to the end, which closes the file."""
    answer = client.get(address)
    return answer.status_code == 200 and len(answer.getvalue()) > 0


def test_it_works(client: Client) -> None:
    answer = client.get("/healthz")

    assert (answer.status_code, answer.content) == (200, b"ok\n")


@pytest.mark.parametrize("name", ["openapi", "asyncapi"])
def test_it_serves_its_documents_without_authentication(client: Client, name: str) -> None:
    answer = client.get(f"/{name}.yaml")

    assert answer.status_code == 200
    assert yaml.safe_load(answer.getvalue()) == document(name)


def test_the_documents_match_the_code() -> None:
    call_command("documents", "--check")


# -- openapi.yaml ------------------------------------------------------------------------------------------------------


def test_openapi_is_valid() -> None:
    OpenAPIV31SpecValidator(document("openapi")).validate()

    assert all(part_at(document("openapi"), reference) for reference in references(document("openapi")))


def test_openapi_is_rendered_the_same_each_time() -> None:
    assert render_openapi() == render_openapi()


def test_it_documents_every_address() -> None:
    routes = {str(pattern.pattern) for pattern in v1 if isinstance(pattern, URLPattern)}
    for kind in ("id:", "int:", "str:"):
        routes = {route.replace(f"<{kind}", "{").replace(">", "}") for route in routes}

    ours = {path for path in document("openapi")["paths"] if path.startswith("/api/v1/")}
    assert {path.removeprefix("/api/v1/") for path in ours} == routes


def schemas_of(part: Any) -> Iterator[tuple[str, Any]]:
    """Yields name and content of each schema that `part` refers to, directly or through other schemas."""
    waiting, seen = list(references(part)), set()
    while waiting:
        if (pointer := waiting.pop()) not in seen:
            seen.add(pointer)
            yield pointer.rpartition("/")[2], part_at(document("openapi"), pointer)
            waiting += references(part_at(document("openapi"), pointer))


def test_an_answer_requires_all_its_keys_and_allows_others() -> None:
    answers = [operation["responses"] for _, _, operation in documents.rest().operations()]
    schemas = dict(schemas_of(answers))

    assert {"Message", "MessageCreated", "MemberJoined", "RoomUpdated", "Gap", "Problem"} <= {*schemas}
    for name, schema in schemas.items():
        assert schema["required"] == [*schema["properties"]], name
        assert "additionalProperties" not in schema, name


def test_a_request_allows_no_other_keys() -> None:
    bodies = [
        operation["requestBody"] for _, _, operation in documents.rest().operations() if "requestBody" in operation
    ]

    assert all(body["required"] for body in bodies)
    assert dict(schemas_of(bodies))
    assert all(schema["additionalProperties"] is False for _, schema in schemas_of(bodies))


def test_a_patch_requires_what_is_documented(alice: Person, bob: Person, room: UUID) -> None:
    """Every patch needs a body, which may be an empty object unless `minProperties` is documented."""
    paths = {"UserPatch": "users/me/", "RoomPatch": f"rooms/{room}/", "MemberPatch": f"rooms/{room}/members/{bob.id}/"}
    for name, path in paths.items():
        min_properties = part_at(document("openapi"), f"#/components/schemas/{name}").get("minProperties", 0)

        assert Rest(alice).patch(path).status == 400
        assert Rest(alice).patch(path, {}).status == (400 if min_properties else 200), name


def test_the_limit_of_every_page_has_its_bounds() -> None:
    limits = {
        path: parameter["schema"]
        for _, path, operation in documents.rest().operations()
        for parameter in operation.get("parameters", ())
        if parameter["name"] == "limit"
    }

    assert len(limits) == 6
    for path, limit in limits.items():
        assert limit == {"type": "integer", "minimum": 1, "maximum": Limits().history_page_max, "default": 50}, path


@pytest.mark.parametrize(("name", "shape"), [("openapi", "SendBody"), ("asyncapi", "Send")])
def test_the_fields_of_a_message_have_their_bounds(name: str, shape: str) -> None:
    """Bounds that are settings are documented with their default."""
    fields, limits = part_at(document(name), f"#/components/schemas/{shape}/properties"), Limits()

    assert fields["text"]["maxLength"] == limits.max_text_chars
    client_id = fields["client_id"]["anyOf"][0]
    assert (client_id["minLength"], client_id["maxLength"]) == (1, limits.max_client_id_chars)
    assert f"at most {limits.max_data_bytes:,} bytes" in fields["data"]["description"]
    assert f"at most {MAX_JSON_DEPTH} deep" in fields["data"]["description"]


def test_it_documents_how_to_sign_in() -> None:
    paths = {path: methods for path, methods in document("openapi")["paths"].items() if "/_allauth/" in path}

    assert {f"/_allauth/app/v1/{path}" for path in ("auth/signup", "auth/login", "auth/session", "tokens/refresh")} <= {
        *paths
    }
    assert all(resolve(path) for path in paths)
    assert {tag for methods in paths.values() for one in methods.values() for tag in one["tags"]} == {"accounts"}


def test_it_answers_a_sign_up_as_documented(db: None) -> None:
    answer = Rest().ask("POST", "/_allauth/app/v1/auth/signup", {"username": "dora", "password": "correct-horse-9"})

    paths = document("openapi")["paths"]
    described = paths["/_allauth/app/v1/auth/signup"]["post"]["responses"][str(answer.status)]["$ref"]
    schema = part_at(document("openapi"), described)["content"]["application/json"]["schema"]
    assert_valid(answer.body, "openapi", schema["$ref"])
    assert answer.body["meta"]["access_token"]


def test_each_operation_has_a_unique_id() -> None:
    operations = [one for methods in document("openapi")["paths"].values() for one in methods.values()]
    names = [operation["operationId"] for operation in operations]

    assert len(names) == len({*names})


# -- asyncapi.yaml -----------------------------------------------------------------------------------------------------


def test_every_reference_in_asyncapi_resolves() -> None:
    asyncapi = document("asyncapi")

    assert asyncapi["asyncapi"] == "3.0.0"
    assert all(part_at(asyncapi, reference) for reference in references(asyncapi))


def test_the_examples_in_asyncapi_match_their_schemas() -> None:
    asyncapi = document("asyncapi")

    for schema in asyncapi["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for message in asyncapi["components"]["messages"].values():
        for example in message["examples"]:
            assert_valid(example["payload"], "asyncapi", message["payload"]["$ref"])


# -- docs/ -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_it_links_to_the_documents(client: Client, page: str) -> None:
    text = read(client, page)

    assert {"/openapi.yaml", "/asyncapi.yaml", *PAGES} <= {*re.findall(r'href="([^"]*)"', text)}


@pytest.mark.parametrize("page", PAGES)
def test_it_loads_nothing_from_other_hosts(client: Client, page: str) -> None:
    """This server has every file that a page loads, and the page has no inline scripts or styles."""
    text = read(client, page)

    loaded = re.findall(r'<(?:script|link|img|iframe)\b[^>]*?(?:src|href)="([^"]*)"', text)
    assert loaded
    assert all(address.startswith("/static/") and is_served(client, address) for address in loaded)
    assert not re.findall(r'<script(?![^>]*(?:src=|type="application/json"))', text)
    assert not re.findall(r"<style|\sstyle=|\son[a-z]+=", text)


@pytest.mark.parametrize("page", PAGES)
def test_it_lets_a_page_connect_only_to_its_own_host(client: Client, page: str) -> None:
    policy = client.get(page, headers={"host": "localhost:8000"}).headers["Content-Security-Policy"].split("; ")

    assert policy[:2] == ["default-src 'self'", "connect-src 'self' ws://localhost:8000 wss://localhost:8000"]
    assert {"base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "object-src 'none'"} <= {*policy}
    assert "unsafe" not in " ".join(policy)


def test_it_leaves_an_ipv6_host_out_of_the_policy(client: Client) -> None:
    policy = client.get("/docs/", headers={"host": "[::1]:8000"}).headers["Content-Security-Policy"]

    assert policy.startswith("default-src 'self'; connect-src 'self'; ")


@pytest.mark.parametrize("page", PAGES)
def test_it_refuses_an_unknown_host(client: Client, page: str) -> None:
    assert client.get(page, headers={"host": "evil.example"}).status_code == 400


def test_the_reference_shows_every_action(client: Client) -> None:
    text = read(client, "/docs/socket/")

    assert ACTIONS
    for action in ACTIONS:
        assert f'<h3 id="{action}">' in text
    examples = [part_at(document("asyncapi"), f"#/components/messages/{name}") for name in ("Join", "JoinReply")]
    for message in examples:
        assert f"&quot;action&quot;: &quot;{message['examples'][0]['payload']['action']}&quot;" in text


def test_the_reference_shows_every_event_and_code(client: Client) -> None:
    text = read(client, "/docs/socket/")

    schemas = document("asyncapi")["components"]["schemas"].values()
    events = [schema["properties"]["event"].get("enum", ()) for schema in schemas if "event" in schema["properties"]]
    for event in {name for names in events for name in names}:
        assert f'<h3 id="event-{event}">' in text
    for code in DomainError.registry:
        assert f'<tr id="error-{code}">' in text
    for close in document("asyncapi")["x-close-codes"]:
        assert f"<td>{close['code']}</td><td><code>{close['name']}</code></td>" in text


def test_every_link_in_the_reference_resolves(client: Client) -> None:
    text = read(client, "/docs/socket/")
    anchors = re.findall(r'\sid="([^"]*)"', text)

    assert len(anchors) == len({*anchors})
    assert {*re.findall(r'href="#([^"]*)"', text)} <= {*anchors}


def test_the_console_offers_every_action(client: Client) -> None:
    text = read(client, "/docs/")

    assert {*re.findall(r"<option>([a-z]+)</option>", text)} >= set(ACTIONS)
    (templates,) = re.findall(r'<script id="templates" type="application/json">(.*?)</script>', text)
    assert {*yaml.safe_load(templates)} == set(ACTIONS)
