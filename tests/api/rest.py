"""A REST client for tests. Checks each answer against openapi.yaml, and the form of a problem."""

from typing import Any, NamedTuple

import msgspec
from django.test import Client

from tests.contract import documents
from tests.people import Person

PROBLEM_KEYS = ["type", "title", "status", "detail", "code", "errors", "retry_after"]


class Answer(NamedTuple):
    """An HTTP response. `body` is its JSON, decoded, or None if it has none."""

    status: int
    body: Any
    headers: dict[str, str]


class Rest:
    """A client with the access token of `person`, or without one if `person` is None."""

    def __init__(self, person: Person | None = None) -> None:
        self._client = Client(raise_request_exception=False)
        self._headers = person.headers if person else {}

    def ask(self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> Answer:
        """Sends a request. `body` is sent as it is if it is bytes, otherwise as JSON.

        A `path` without a leading slash is relative to `/api/v1/`. Asserts that openapi.yaml allows the answer.
        """
        content = b"" if body is None else body if isinstance(body, bytes) else msgspec.json.encode(body)
        all_headers = {"Content-Type": "application/json"} | self._headers | (headers or {})
        address = path if path.startswith("/") else f"/api/v1/{path}"
        response = self._client.generic(
            method,
            address,
            content,
            content_type=all_headers.pop("Content-Type"),
            headers=all_headers,
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
    """Returns status, code and field of a problem (RFC 9457). Asserts that the problem is well-formed."""
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
