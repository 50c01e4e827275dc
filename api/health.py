"""Whether the process is alive, and whether it should get traffic."""

import msgspec
from django.core.handlers.asgi import ASGIRequest
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse

from messaging.engine import Engine


def healthz(request: HttpRequest) -> HttpResponse:
    """Alive: it answers."""
    return HttpResponse("ok\n", content_type="text/plain")


def readyz(request: HttpRequest) -> HttpResponse:
    """Ready: the database answers, the sweep is fresh, the process is not draining. 200, or 503."""
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
