"""Finds the client's address behind the proxies in front of the server.

Takes the place of uvicorn's own middleware, which would pass on any word in `X-Forwarded-For` as the address.
"""

from collections.abc import Sequence

from asgiref.typing import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, Scope

from foundation.addresses import Network, client_of, parse_address


def forwarded(app: ASGI3Application, *, proxies: Sequence[Network]) -> ASGI3Application:
    """Wraps `app` so that `client` of its scope is the client's address, also behind `proxies`.

    `X-Forwarded-For` is believed from `proxies` only. Its scope is otherwise unchanged.
    """

    async def with_client(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await app(_with_client(scope, proxies), receive, send)

    return with_client


def _with_client(scope: Scope, proxies: Sequence[Network]) -> Scope:
    if scope["type"] == "lifespan":
        return scope
    values = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    peer = parse_address(scope["client"][0]) if scope.get("client") else None  # type: ignore[index]
    if not values or peer is None:
        return scope
    client = client_of(peer, b",".join(values).decode("latin-1"), proxies)
    return scope if client is peer else {**scope, "client": (str(client), 0)}  # type: ignore[return-value]
