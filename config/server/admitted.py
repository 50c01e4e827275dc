"""ASGI applications that run while they have a place in the process, and otherwise refuse."""

import resource
from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.typing import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, ASGISendEvent, Scope
from django.conf import settings

from api import problems
from config.server.bounds import Bound, Bounds
from foundation.errors import Overloaded
from messaging.consumers.handshake import chosen_subprotocol
from messaging.wire.closes import overloaded

_KEY = "bounds"

Refuse = Callable[[Scope, ASGIReceiveCallable, ASGISendCallable, Overloaded], Awaitable[None]]


def bounds_of(state: dict[str, Any], *, now: Callable[[], float]) -> Bounds:
    """Returns the bounds of the process, which the server's `state` holds, or makes it. `now` is the loop's clock.

    Requests and sockets find it in `scope["state"]`.
    """
    if _KEY not in state:
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        state[_KEY] = Bounds(
            settings.ROOMLOG_LIMITS,
            proxies=settings.ROOMLOG_PROXIES,
            counts_addresses=settings.ROOMLOG_RATE_LIMITS,
            now=now,
            files=2**40 if files == resource.RLIM_INFINITY else files,
        )
    bounds: Bounds = state[_KEY]
    return bounds


def admitted(app: ASGI3Application, *, bound: Callable[[Bounds], Bound], refuse: Refuse) -> ASGI3Application:
    """Wraps `app` so that each of its calls takes a place of `bound`. If there is none, `refuse` is called instead.

    The place of a request is free before the end of the answer is sent: a client that has it may send the next one.
    """

    async def with_place(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        connection: Any = scope
        bounds: Bounds = connection["state"][_KEY]
        try:
            lease = bound(bounds).take(bounds.address_of(connection))
        except Overloaded as error:
            await refuse(scope, receive, send, error)
            return

        async def send_and_release(message: ASGISendEvent) -> None:
            if message["type"] == "http.response.body" and not message.get("more_body"):
                lease.release()
            await send(message)

        with lease:
            await app(scope, receive, send_and_release)

    return with_place


async def refuse_request(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable, error: Overloaded) -> None:
    """Answers with 503 `overloaded` and `Retry-After`, and closes the connection."""
    await problems.refuse(send, error)


async def refuse_socket(scope: Any, receive: ASGIReceiveCallable, send: ASGISendCallable, error: Overloaded) -> None:
    """Accepts the socket and closes it with 4003, because browsers do not report why a handshake failed."""
    close = overloaded(error.retry_after or 1.0)
    await receive()
    await send({"type": "websocket.accept", "subprotocol": chosen_subprotocol(scope), "headers": []})
    await send({"type": "websocket.close", "code": close.code, "reason": close.reason})
