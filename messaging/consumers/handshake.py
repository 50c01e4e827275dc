"""What a handshake carries. The token comes from its headers, never from the URL or a cookie."""

import base64
from collections.abc import Sequence
from typing import Any

from foundation.errors import Unauthenticated
from messaging.wire.frames import SUBPROTOCOL

_BEARER = "bearer."


def token_of(scope: dict[str, Any]) -> str:
    """Returns the access token of a handshake. Raises `Unauthenticated` if there is none.

    Programs send `Authorization: Bearer <token>`. Browsers, which cannot set headers, offer a second subprotocol
    `bearer.<token>`. Clients that accept only an address use `ws://bearer:<token>@host/ws/`, from which they make
    `Authorization: Basic` (RFC 7617), so that the token is not part of the request line.
    """
    header = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
    scheme, _, credentials = header.partition(" ")
    if scheme.lower() == "bearer" and credentials.strip():
        return str(credentials.strip())
    if scheme.lower() == "basic":
        return _basic_token(credentials)
    for offered in scope["subprotocols"]:
        if offered.startswith(_BEARER) and offered != _BEARER:
            return str(offered.removeprefix(_BEARER))
    raise Unauthenticated


def chosen_subprotocol(scope: dict[str, Any]) -> str | None:
    """Returns our subprotocol, or None if it was not offered: a server must not select another (RFC 6455, 4.2.2)."""
    return SUBPROTOCOL if SUBPROTOCOL in scope["subprotocols"] else None


def is_allowed_origin(scope: dict[str, Any], *, allowed: Sequence[str]) -> bool:
    """Returns whether the `Origin` of a handshake may connect.

    It may if it is absent, as in programs, or the server's own, or in `allowed`, or if `allowed` is empty.
    """
    headers = dict(scope["headers"])
    origin = headers.get(b"origin", b"").decode("latin-1")
    is_own = origin.partition("://")[2] == headers.get(b"host", b"").decode("latin-1")
    return not origin or not allowed or origin in allowed or is_own


def _basic_token(credentials: str) -> str:
    try:
        user, _, token = base64.b64decode(credentials, validate=True).decode().partition(":")
    except ValueError:
        raise Unauthenticated from None
    if user != "bearer" or not token:
        raise Unauthenticated
    return token
