"""Health checks: whether the process is alive, and whether it should receive traffic."""

import msgspec
from django.core.handlers.asgi import ASGIRequest
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse

from messaging.engine import Engine


def healthz(request: HttpRequest) -> HttpResponse:
    """Answers 200 as long as the process serves requests at all."""
    return HttpResponse("ok\n", content_type="text/plain")


def readyz(request: HttpRequest) -> HttpResponse:
    """Answers 200 if the database responds, the sweep is recent and the process is not draining; otherwise 503.

    The body is JSON with the result of each check. `ready` is their conclusion.
    """
    engine = _engine_of(request)
    if engine is None:
        return _answer({"ready": False, "database": "unknown"})
    report = msgspec.to_builtins(engine.readiness())
    report["database"] = _database()
    report["ready"] = report["ready"] and report["database"] == "ok"
    return _answer(report)


def _engine_of(request: HttpRequest) -> Engine | None:
    if not isinstance(request, ASGIRequest):
        return None
    engine: Engine | None = request.scope.get("state", {}).get("engine")
    return engine


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return "failing"
    return "ok"


def _answer(report: dict[str, object]) -> HttpResponse:
    status = 200 if report["ready"] else 503
    return HttpResponse(msgspec.json.encode(report), status=status, content_type="application/json")
