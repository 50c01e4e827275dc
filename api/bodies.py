"""Request bodies: each is read whole, and its size checked, before Django sees the request.

Django alone would spool a body of any size to a file, and would know its length from `Content-Length` only.
"""

from typing import cast

from asgiref.typing import (
    ASGI3Application,
    ASGIReceiveCallable,
    ASGIReceiveEvent,
    ASGISendCallable,
    HTTPScope,
    Scope,
)

from api.problems import refuse
from foundation.errors import TooLarge

_FRAMING = (b"content-length", b"transfer-encoding")


def bounded(app: ASGI3Application, *, max_bytes: int) -> ASGI3Application:
    """Wraps `app`, which serves HTTP, so that it is called only with complete bodies of at most `max_bytes`.

    `app` receives the body as one event, under a `Content-Length` of its own. A larger body is answered with 413
    `too_large`, and the connection closed. If the client disconnects before the end of the body, `app` is not called
    and nothing is answered.
    """

    async def with_body(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        request = cast("HTTPScope", scope)
        try:
            body = await _read(request, receive, max_bytes)
        except TooLarge as error:
            await refuse(send, error)
            return
        if body is None:
            return
        headers = [header for header in request["headers"] if header[0] not in _FRAMING]
        if body:
            headers.append((b"content-length", b"%d" % len(body)))
        is_read = False

        async def read_once() -> ASGIReceiveEvent:
            nonlocal is_read
            if is_read:
                return await receive()
            is_read = True
            return {"type": "http.request", "body": body, "more_body": False}

        await app({**request, "headers": headers}, read_once, send)

    return with_body


async def _read(scope: HTTPScope, receive: ASGIReceiveCallable, max_bytes: int) -> bytes | None:
    """Returns the whole body, or None if the client disconnected before its end. Raises `TooLarge`."""
    too_large = TooLarge(f"The body is larger than {max_bytes} bytes.")
    announced = dict(scope["headers"]).get(b"content-length", b"0")
    if len(announced) > 15 or int(announced) > max_bytes:
        raise too_large
    body, is_whole = b"", False
    while not is_whole:
        event = await receive()
        if event["type"] != "http.request":
            return None
        body += event.get("body", b"")
        if len(body) > max_bytes:
            raise too_large
        is_whole = not event.get("more_body", False)
    return body
