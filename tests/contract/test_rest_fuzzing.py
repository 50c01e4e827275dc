"""Generated requests to /api/v1/: every answer is one that openapi.yaml allows.

`TEST_REST_EXAMPLES=1000 TEST_REST_SEED=7` tries more requests, and different ones.
"""

import os
from pathlib import Path
from uuid import UUID

import pytest
import schemathesis
from django.conf import settings as django_settings
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi import checks

from tests.contract import documents
from tests.engine import only_on
from tests.people import Person
from tests.servers import Server
from tests.services.rooms import add, make_room, say

EXAMPLES = int(os.environ.get("TEST_REST_EXAMPLES", "20"))
SEED = int(os.environ.get("TEST_REST_SEED", "20260102"))
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
# Do not generate tokens: every answer would be 401.
CONFIG = SchemathesisConfig.from_dict({"generation": {"with-security-parameters": False}})
SCHEMA = schemathesis.openapi.from_path(Path(django_settings.BASE_DIR) / "openapi.yaml", config=CONFIG)
OPERATIONS = [found.ok() for found in SCHEMA.include(path_regex=f"^{documents.ROOT}").get_all_operations()]

pytestmark = only_on("sqlite")


class Requester:
    """Sends generated requests as Alice, and checks the answers."""

    def __init__(self, server: Server, alice: Person, ids: dict[str, list[object]]) -> None:
        self.server = server
        self.headers = alice.headers
        self.ids = ids
        self.statuses: set[int] = set()

    def send(self, case: Case) -> None:
        answer = case.call(base_url=self.server.url, headers=self.headers)
        self.statuses.add(answer.status_code)
        case.validate_response(answer, checks=CHECKS, headers=self.headers)
        headers = {name: values[0] for name, values in answer.headers.items()}
        documents.rest().check_answer(case.method, case.formatted_path, answer.status_code, headers, answer.content)


@st.composite
def cases(draw: st.DrawFn, operation: APIOperation, ids: dict[str, list[object]]) -> Case:
    """Draws a valid or an invalid request, mostly with ids that exist."""
    modes = [GenerationMode.POSITIVE, GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
    case = draw(operation.as_strategy(generation_mode=draw(st.sampled_from(modes))))
    for part in (case.path_parameters, case.body):
        for name in ids:
            if isinstance(part, dict) and name in part and draw(st.integers(0, 7)):
                part[name] = draw(st.sampled_from(ids[name]))
    return case


@pytest.fixture
def requester(server: Server, alice: Person, bob: Person, charlie: Person, room: UUID) -> Requester:
    """Alice owns a room, and another one together with Charlie; Bob is a member of both."""
    say(alice, room, "one", "two", "three")
    shared = make_room(alice, bob)
    add(alice, shared, charlie, "owner")
    ids: dict[str, list[object]] = {
        "room": [str(room), str(shared)],
        "user": [str(bob.id), str(charlie.id)],
        "message": [1, 2, 3],
        "id": [0, 1, 2, 3],
    }
    return Requester(server, alice, ids)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_every_answer_is_documented(requester: Requester, operation: APIOperation) -> None:
    print(f"seed {SEED}, {EXAMPLES} examples")

    @seed(SEED)
    @settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases(operation, requester.ids))
    def search(case: Case) -> None:
        requester.send(case)

    search()
    # The examples depend on more than the seed: it is enough that some requests reached a view.
    assert requester.statuses - {401, 404, 405}, requester.statuses


def test_every_operation_is_covered() -> None:
    assert {(operation.method.upper(), operation.path) for operation in OPERATIONS} == {
        (method, template) for method, template, _ in documents.rest().operations()
    }


def addresses(**ids: object) -> dict[str, set[str]]:
    """Returns every address under /api/v1/, and its documented methods."""
    found: dict[str, set[str]] = {}
    for method, template, _ in documents.rest().operations():
        found.setdefault(template.format(**ids), set()).add(method)
    return found


def test_other_methods_are_not_allowed(server: Server, alice: Person, room: UUID) -> None:
    with server.rest(alice.headers) as rest:
        for path, documented in addresses(room=room, user=alice.id, message=1).items():
            for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"} - documented:
                answer = rest.request(method, path)

                assert answer.status_code == 405, (method, path, answer.content)
                assert documented <= set(answer.headers["Allow"].split(", ")) <= documented | {"HEAD"}


def test_every_operation_requires_a_token(server: Server) -> None:
    with server.rest() as rest:
        for path, documented in addresses(room=UUID(int=1), user=UUID(int=2), message=1).items():
            for method in documented:
                answer = rest.request(method, path)

                assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), (method, path)
