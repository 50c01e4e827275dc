"""The ASGI application: HTTP to Django, /ws/ to the chat consumer, lifespan to ours."""

import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.core.asgi import get_asgi_application

django = get_asgi_application()  # sets Django up: what follows needs it

from django.conf import settings

from api.bodies import bounded
from config.lifespan import lifespan
from messaging.consumers.chat import ChatConsumer

http = bounded(django, max_bytes=settings.ROOMLOG_LIMITS.max_frame_bytes)  # type: ignore[arg-type]


async def application(scope: Any, receive: Any, send: Any) -> None:
    match scope["type"]:
        case "http":
            await http(scope, receive, send)
        case "lifespan":
            await lifespan(scope, receive, send)
        case "websocket" if scope["path"] == "/ws/":
            await ChatConsumer()(scope, receive, send)
        case "websocket":
            await _not_found(send)


async def _not_found(send: Any) -> None:
    await send({"type": "websocket.http.response.start", "status": 404, "headers": []})
    await send({"type": "websocket.http.response.body", "body": b"The socket is at /ws/.\n"})
