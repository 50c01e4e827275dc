"""The ASGI application: HTTP goes to Django, /ws/ to the chat consumer, and lifespan events to `config.lifespan`."""

import os

from config.private import UMASK

os.umask(UMASK)  # before the settings make files
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, Scope
from django.core.asgi import get_asgi_application

django = get_asgi_application()  # sets up Django, which the imports below require

from django.conf import settings

from api.bodies import bounded
from config.forwarded import forwarded
from config.lifespan import lifespan
from config.server.admitted import admitted, refuse_request, refuse_socket
from messaging.consumers.chat import ChatConsumer

handled = admitted(django, bound=lambda bounds: bounds.handled, refuse=refuse_request)  # type: ignore[arg-type]


async def handle(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Handles a request with all of its body. `/healthz` answers however many there are: the process lives."""
    if scope["type"] == "http" and scope["path"] == "/healthz":
        await django(scope, receive, send)  # type: ignore[arg-type]
    else:
        await handled(scope, receive, send)


# A body that is on its way does not count against the process: slow ones would keep out everybody else's requests.
http = admitted(
    bounded(handle, max_bytes=settings.ROOMLOG_LIMITS.max_frame_bytes),
    bound=lambda bounds: bounds.requests,
    refuse=refuse_request,
)


async def consume(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    await ChatConsumer()(scope, receive, send)


chat = admitted(consume, bound=lambda bounds: bounds.sockets, refuse=refuse_socket)


async def _route(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    if scope["type"] == "http":
        await http(scope, receive, send)
    elif scope["type"] == "lifespan":
        await lifespan(scope, receive, send)
    elif scope["path"] == "/ws/":
        await chat(scope, receive, send)
    else:
        await _not_found(send)


application = forwarded(_route, proxies=settings.ROOMLOG_PROXIES)


async def _not_found(send: ASGISendCallable) -> None:
    await send({"type": "websocket.http.response.start", "status": 404, "headers": []})
    await send({"type": "websocket.http.response.body", "body": b"The socket is at /ws/.\n", "more_body": False})
