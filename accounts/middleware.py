"""What django-allauth leaves out of its answers."""

from collections.abc import Callable
from typing import Any

import msgspec
from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from foundation.errors import Invalid
from foundation.text import check_json

# The longest window of those limits of allauth's that answer 429. What it refuses it does not count, so that after a
# whole window there is room again.
RETRY_AFTER_S = 60


@sync_and_async_middleware
def say_when_to_retry(get_response: Any) -> Any:
    """`Retry-After` on each 429 that has none. `get_response` is of either kind, and so is what is returned."""
    if iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> HttpResponseBase:
            return _timed(await get_response(request))

        return answer_async

    def answer(request: HttpRequest) -> HttpResponseBase:
        return _timed(get_response(request))

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


def _timed(response: HttpResponseBase) -> HttpResponseBase:
    if response.status_code == 429:
        response.headers.setdefault("Retry-After", str(RETRY_AFTER_S))
    return response
