"""Authentication of REST requests by access token."""

from typing import TYPE_CHECKING, Any

from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.schema import Principal
from accounts.tokens import check_access_token
from foundation.errors import Unauthenticated

if TYPE_CHECKING:
    from rest_framework.views import APIView


class BearerAuthentication(BaseAuthentication):
    """Authenticates `Authorization: Bearer <access token>`, and sets `request.user` to a `Principal`.

    Another scheme, or no header, leaves the request anonymous. Raises what `check_access_token` raises.
    """

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        scheme, _, token = get_authorization_header(request).decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            return None
        principal: Principal = check_access_token(token.strip())
        return principal, None

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="roomlog"'


class SignedIn(BasePermission):
    """Refuses anonymous requests. Raises `Unauthenticated`."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        if request.user is None:
            raise Unauthenticated
        return True
