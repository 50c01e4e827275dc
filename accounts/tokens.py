"""The check of access tokens, the same over REST and the socket."""

import time
from typing import Any

import jwt
from allauth.headless.tokens.strategies.jwt import internal as access_tokens
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.utils.crypto import constant_time_compare

from accounts import selectors
from accounts.models import User
from accounts.schema import Principal
from accounts.sessions import SessionStore, public_session_id
from foundation.errors import Unauthenticated


class TokenExpired(Unauthenticated):
    summary = "The access token has expired. Refresh it."
    expired = True


def check_access_token(token: str) -> Principal:
    """Returns the principal that `token` was issued to. One query, no transaction.

    Raises `Unauthenticated` if the token is malformed or forged, if its session has ended, if its user is not active or
    if the password was changed since; `TokenExpired`, which is a kind of it, if the token says that it has expired.
    """
    payload = access_tokens.decode_token(token, "access") or {}
    session_key = access_tokens.session_key_from_sid(payload.get("sid", "")) or ""
    found = selectors.find_active_session(session_key=session_key) if session_key else None
    if found is None or payload["sub"] != str(found.user.id) or not _is_valid(found.session_data, found.user):
        raise TokenExpired if _has_expired(token) else Unauthenticated
    return Principal(
        user=selectors.user_of(found.user),
        session_key=session_key,
        session_id=public_session_id(session_key),
        auth_version=found.user.auth_version,
        expires_at=found.expires_at,
    )


def _is_valid(session_data: str, user: User) -> bool:
    """Returns whether a session with this data belongs to `user`, by the rules of `django.contrib.auth.get_user`.

    That function is not used, because it loads session and user through models, which takes 0.9 ms more, and because it
    may change or end the session.
    """
    data = SessionStore().decode(session_data)
    if data.get(SESSION_KEY) != str(user.id) or data.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS:
        return False
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return any(constant_time_compare(data.get(HASH_SESSION_KEY, ""), each) for each in hashes)


def _has_expired(token: str) -> bool:
    """Returns whether `token` says that it has expired. Not verified, because it only selects one of two errors."""
    try:
        payload: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
        return float(payload["exp"]) <= time.time()
    except (jwt.PyJWTError, KeyError, TypeError, ValueError, OverflowError):
        return False
