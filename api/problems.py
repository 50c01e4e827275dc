"""Errors over REST: each becomes `application/problem+json` (RFC 9457) with the code of a domain error."""

import math
import sys
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from asgiref.typing import ASGISendCallable
from django.core.exceptions import DisallowedHost, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework import exceptions
from rest_framework.response import Response

from foundation.errors import (
    DomainError,
    Forbidden,
    Internal,
    Invalid,
    MethodNotAllowed,
    NotAcceptable,
    NotFound,
    TooLarge,
    Unauthenticated,
    UnsupportedMediaType,
)
from foundation.outage import outage_of

CONTENT_TYPE = "application/problem+json"

log = structlog.get_logger(__name__)


class FieldError(msgspec.Struct, frozen=True):
    code: str
    field: str | None
    detail: str


class Problem(msgspec.Struct, frozen=True):
    """The body of an error. `retry_after` is in seconds."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[FieldError]
    retry_after: float | None


def problem_of(error: DomainError) -> Problem:
    """Renders `error` as the body of a response."""
    return Problem(
        type=f"urn:roomlog:error:{error.code}",
        title=HTTPStatus(error.status).phrase,
        status=error.status,
        detail=error.detail,
        code=error.code,
        errors=[FieldError(code=error.code, field=error.field, detail=error.detail)],
        retry_after=error.retry_after,
    )


def handle_exception(exception: Exception, context: dict[str, Any]) -> Response:
    """Renders an exception that a view raised (DRF's `EXCEPTION_HANDLER`).

    An exception that is not a known kind of refusal is logged with its traceback and answered with `internal`.
    """
    error = _domain_error(exception)
    if isinstance(error, Internal):
        log.error("request failed", view=type(context.get("view")).__name__, exc_info=exception)
    response = Response(problem_of(error), status=error.status, content_type=CONTENT_TYPE)
    for name, value in _headers(error).items():
        response[name] = value
    if isinstance(exception, exceptions.MethodNotAllowed) and (view := context.get("view")):
        response["Allow"] = ", ".join(view.allowed_methods)
    return response


def closing_answer(error: DomainError) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Renders `error` for an answer outside Django: its headers and its body. The connection is closed after it."""
    content = msgspec.json.encode(problem_of(error))
    headers = {"Content-Type": CONTENT_TYPE, "Content-Length": str(len(content)), "Connection": "close"}
    lines = [(name.lower().encode(), value.encode()) for name, value in (headers | _headers(error)).items()]
    return lines, content


async def refuse(send: ASGISendCallable, error: DomainError) -> None:
    """Answers a request with `error` through ASGI, and closes the connection, because its body may not be read."""
    headers, content = closing_answer(error)
    await send({"type": "http.response.start", "status": error.status, "headers": headers, "trailers": False})
    await send({"type": "http.response.body", "body": content, "more_body": False})


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's `handler400`."""
    return _plain(_domain_error(exception))


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Django's `handler404`."""
    return _plain(NotFound("No resource exists at this address."))


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's `handler500`, called while the exception is being handled. Django logs it."""
    return _plain(_domain_error(sys.exc_info()[1]))


def _plain(error: DomainError) -> HttpResponse:
    content = msgspec.json.encode(problem_of(error))
    return HttpResponse(content, status=error.status, content_type=CONTENT_TYPE, headers=_headers(error))


def _headers(error: DomainError) -> dict[str, str]:
    headers = {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="roomlog"'
    return headers


def _domain_error(exception: BaseException | None) -> DomainError:
    match exception:
        case DomainError():
            return exception
        case exceptions.MethodNotAllowed():
            return MethodNotAllowed(str(exception.detail))
        case exceptions.NotAcceptable():
            return NotAcceptable()
        case exceptions.UnsupportedMediaType():
            return UnsupportedMediaType()
        case exceptions.ParseError():
            return Invalid(str(exception.detail))
        case exceptions.NotAuthenticated() | exceptions.AuthenticationFailed():
            return Unauthenticated()
        case exceptions.PermissionDenied() | PermissionDenied():
            return Forbidden()
        case exceptions.NotFound() | Http404():
            return NotFound()
        case OperationalError() | InterfaceError():
            log.warning("database failed", error=str(exception))
            return outage_of(exception)
        case RequestDataTooBig():
            return TooLarge()
        case DisallowedHost():
            return Invalid("The host name of the request is not in ALLOWED_HOSTS.")
        case SuspiciousOperation():
            return Invalid("The request is malformed.")
    return Internal()
