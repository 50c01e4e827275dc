"""A client of the REST edge for tests: speaks JSON, and knows what a problem looks like."""

from typing import Any, NamedTuple

import msgspec
from django.test import Client

from tests.contract import documents
from tests.people import Person

PROBLEM_KEYS = ["type", "title", "status", "detail", "code", "errors", "retry_after"]


class Answer(NamedTuple):
    """`body` is what the JSON says; None for an empty one."""

    status: int
    body: Any
    headers: dict[str, str]


class Rest:
    """Somebody at the door; nobody where there is no `person`."""

    def __init__(self, person: Person | None = None) -> None:
        self._client = Client(raise_request_exception=False)
        self._headers = person.headers if person else {}

    def ask(self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> Answer:
        """`body` is sent as it is where it is bytes, else as JSON. `path` follows `/api/v1/`, where it is relative.

        The answer is one that openapi.yaml allows.
        """
        content = b"" if body is None else body if isinstance(body, bytes) else msgspec.json.encode(body)
        named = {"Content-Type": "application/json"} | self._headers | (headers or {})
        address = path if path.startswith("/") else f"/api/v1/{path}"
        response = self._client.generic(
            method,
            address,
            content,
            content_type=named.pop("Content-Type"),
            headers=named,
        )
        assert response.status_code != 500, response.content
        documents.rest().check_answer(method, address, response.status_code, response.headers, response.content)
        is_json = "json" in response.headers.get("Content-Type", "")
        return Answer(
            status=response.status_code,
            body=msgspec.json.decode(response.content) if is_json and response.content else None,
            headers=dict(response.headers),
        )

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, headers=headers)

    def post(self, path: str, body: object = None, headers: dict[str, str] | None = None) -> Answer:
        return self.ask("POST", path, body, headers)

    def put(self, path: str, body: object = None) -> Answer:
        return self.ask("PUT", path, body)

    def patch(self, path: str, body: object = None) -> Answer:
        return self.ask("PATCH", path, body)

    def delete(self, path: str) -> Answer:
        return self.ask("DELETE", path)


def refusal(answer: Answer) -> tuple[int, str, str | None]:
    """Status, code and field of a problem (RFC 9457), which is well-formed."""
    problem = answer.body
    assert answer.headers["Content-Type"] == "application/problem+json", answer
    assert list(problem) == PROBLEM_KEYS
    assert problem["type"] == f"urn:roomlog:error:{problem['code']}"
    assert problem["title"]
    assert problem["detail"]
    assert problem["status"] == answer.status
    (error,) = problem["errors"]
    assert error == {"code": problem["code"], "field": error["field"], "detail": problem["detail"]}
    assert ("Retry-After" in answer.headers) == (problem["retry_after"] is not None)
    return answer.status, problem["code"], error["field"]
