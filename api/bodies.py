"""The bodies of requests: read whole and within their bound before anything else is done for them.

Django would keep them in files, however large, and know how long they are by `Content-Length` alone.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from api.problems import CONTENT_TYPE, problem_of
from foundation.errors import TooLarge

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[Any]]

_FRAMING = (b"content-length", b"transfer-encoding")


def bounded(app: App, *, max_bytes: int) -> App:
    """`app`, an ASGI app of HTTP, with requests whose body is there; larger ones are answered with 413."""

    async def with_body(scope: Message, receive: Receive, send: Send) -> None:
        try:
            body = await _read(scope, receive, max_bytes)
        except TooLarge as error:
            await _refuse(send, error)
            return
        if body is None:
            return
        headers = [header for header in scope["headers"] if header[0] not in _FRAMING]
        if body:
            headers.append((b"content-length", b"%d" % len(body)))
        is_read = False

        async def read_once() -> Message:
            nonlocal is_read
            if is_read:
                return await receive()
            is_read = True
            return {"type": "http.request", "body": body, "more_body": False}

        await app(scope | {"headers": headers}, read_once, send)

    return with_body


async def _read(scope: Message, receive: Receive, max_bytes: int) -> bytes | None:
    """Return the whole body, or None if the client disconnected before its end. Raises `TooLarge`."""
    too_large = TooLarge(f"The body is larger than {max_bytes} bytes.")
    announced = dict(scope["headers"]).get(b"content-length", b"0")
    if len(announced) > 15 or int(announced) > max_bytes:
        raise too_large
    body, is_whole = b"", False
    while not is_whole:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > max_bytes:
            raise too_large
        is_whole = not message.get("more_body", False)
    return body


async def _refuse(send: Send, error: TooLarge) -> None:
    content = msgspec.json.encode(problem_of(error))
    headers = [
        (b"content-type", CONTENT_TYPE.encode()),
        (b"content-length", b"%d" % len(content)),
        (b"connection", b"close"),  # the rest of the body is not read
    ]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
