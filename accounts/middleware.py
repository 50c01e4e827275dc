"""Middleware for django-allauth's endpoints: `Retry-After` on 429, and a check of request bodies."""

from collections.abc import Callable

import msgspec
from django.http import HttpRequest, HttpResponse, JsonResponse

from foundation.errors import Invalid
from foundation.text import check_json

# The longest window of allauth's rate limits that answer 429. allauth does not count the requests that it refuses, so a
# client that waits for a whole window is admitted.
RETRY_AFTER_S = 60


def say_when_to_retry(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Adds `Retry-After` to each 429 that has none."""

    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if response.status_code == 429:
            response.headers.setdefault("Retry-After", str(RETRY_AFTER_S))
        return response

    return answer


class CheckBodies:
    """Answers 400, in allauth's error shape, to request bodies that would make allauth raise.

    Our own endpoints decode their bodies themselves.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith("/_allauth/") and request.body:
            try:
                check_json(msgspec.json.decode(request.body), field="body")
            except Invalid as error:
                return _invalid(error.detail, param=str(error.field).removeprefix("body."))
            except (msgspec.MsgspecError, RecursionError, UnicodeError):
                return _invalid("The body is not valid JSON, or is nested too deeply.")
        return self._get_response(request)


def _invalid(message: str, **more: str) -> HttpResponse:
    return JsonResponse({"status": 400, "errors": [{"code": "invalid", "message": message, **more}]}, status=400)
