"""Who opens a socket: the token comes from the headers of the handshake, never from the URL or a cookie."""

import base64
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from accounts.schema import Principal
from accounts.tokens import check_access_token
from foundation.errors import Unauthenticated
from messaging.wire.frames import SUBPROTOCOL
from rooms.selectors import get_epoch

_BEARER = "bearer."


def token_of(scope: dict[str, Any]) -> str:
    """Returns the access token that the handshake carries. Raises `Unauthenticated` if there is none.

    It comes in `Authorization: Bearer`; or as a second offered subprotocol `bearer.<token>`, from browsers; or in
    `Authorization: Basic` with the user name `bearer`, from clients that take only an address
    (`ws://bearer:<token>@host/ws/`, RFC 7617: the token is the password and stays out of the request line).
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
    """Returns our subprotocol if it was offered: a server must not choose another (RFC 6455, section 4.2.2)."""
    return SUBPROTOCOL if SUBPROTOCOL in scope["subprotocols"] else None


def is_allowed_origin(scope: dict[str, Any], *, allowed: Sequence[str]) -> bool:
    """Whether the `Origin` may connect. If there is one and a list, it must be the server's own or on the list."""
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


def authenticate(*, token: str) -> tuple[Principal, UUID]:
    """Returns who `token` stands for, and the epoch of the database. Two queries.

    Raises what `check_access_token` raises.
    """
    return check_access_token(token), get_epoch()
