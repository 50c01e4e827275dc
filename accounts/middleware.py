"""What django-allauth leaves out of its answers."""

from typing import Any

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

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


def _timed(response: HttpResponseBase) -> HttpResponseBase:
    if response.status_code == 429:
        response.headers.setdefault("Retry-After", str(RETRY_AFTER_S))
    return response
