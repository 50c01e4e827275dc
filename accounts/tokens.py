"""Who is asking: the one check of an access token, for both doors."""

import time
from typing import Any

import jwt
from allauth.headless.tokens.strategies.jwt import internal as access_tokens

from accounts import selectors
from accounts.errors import Unauthenticated
from accounts.schema import Principal
from accounts.sessions import public_session_id


class TokenExpired(Unauthenticated):
    summary = "The access token has expired: refresh it."
    expired = True


def check_access_token(token: str) -> Principal:
    """The principal that `token` stands for. A fixed number of queries, no transaction.

    Raises `Unauthenticated` for a token that is malformed, forged, of an ended session, of an inactive user or
    from before a password change, and `TokenExpired` for one that is only too old.
    """
    payload = access_tokens.decode_token(token, "access")
    session = access_tokens.get_token_session(payload) if payload else None
    user = access_tokens.validate_token_user(payload, session) if session else None
    if session is None or user is None:
        raise TokenExpired if _has_expired(token) else Unauthenticated
    return Principal(
        user=selectors.user_of(user),
        session_key=session.session_key,
        session_id=public_session_id(session.session_key),
        auth_version=user.auth_version,
        expires_at=session.expire_date,
    )


def _has_expired(token: str) -> bool:
    """Unverified on purpose: it only picks between two refusals."""
    try:
        payload: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
        return float(payload["exp"]) <= time.time()
    except (jwt.PyJWTError, KeyError, TypeError, ValueError, OverflowError):
        return False
