"""What django-allauth leaves out of its answers."""

from collections.abc import Callable

import msgspec
from django.http import HttpRequest, HttpResponse, JsonResponse

from foundation.errors import Invalid
from foundation.text import check_json

# The longest window of those limits of allauth's that answer 429. What it refuses it does not count, so that after a
# whole window there is room again.
RETRY_AFTER_S = 60


def say_when_to_retry(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Add `Retry-After` to each 429 that has none."""

    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if response.status_code == 429:
            response.headers.setdefault("Retry-After", str(RETRY_AFTER_S))
        return response

    return answer


class CheckBodies:
    """Refuses bodies that django-allauth would stumble over, in its own shape; ours are decoded by their endpoints."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith("/_allauth/") and request.body:
            try:
                check_json(msgspec.json.decode(request.body), field="body")
            except Invalid as error:
                return _invalid(error.detail, param=str(error.field).removeprefix("body."))
            except (msgspec.MsgspecError, RecursionError, UnicodeError):
                return _invalid("The body is no JSON, or nested too deep.")
        return self._get_response(request)


def _invalid(message: str, **more: str) -> HttpResponse:
    return JsonResponse({"status": 400, "errors": [{"code": "invalid", "message": message, **more}]}, status=400)
