"""Tokens: how they are issued, and the check of access tokens, the same over REST and the socket."""

import time
from typing import Any, NamedTuple
from uuid import UUID, uuid5

import jwt
from allauth.headless.tokens.strategies.jwt import internal as allauth_tokens
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.utils.crypto import constant_time_compare

from accounts import selectors
from accounts.models import User
from accounts.schema import Principal
from accounts.selectors import ActiveSession
from accounts.sessions import SessionStore, public_session_id
from foundation.errors import Unauthenticated

_ACCESS_IDS = UUID("5e55104e-0000-5000-8000-000000000002")


class Tokens(NamedTuple):
    access_token: str
    refresh_token: str


class TokenExpired(Unauthenticated):
    summary = "The access token has expired. Refresh it."
    expired = True


def check_access_token(token: str) -> Principal:
    """Returns the principal that `token` was issued to. One query, no transaction.

    Raises `Unauthenticated` if the token is malformed or forged, if its session has ended, if its user is not active or
    if the password was changed since; `TokenExpired`, which is a kind of it, if the token says that it has expired.
    """
    payload = allauth_tokens.decode_token(token, "access")
    found = find_session(payload) if payload else None
    if found is None:
        raise TokenExpired if _has_expired(token) else Unauthenticated
    return Principal(
        user=selectors.user_of(found.user),
        session_key=found.session_key,
        session_id=public_session_id(found.session_key),
        auth_version=found.user.auth_version,
        expires_at=found.expires_at,
    )


def find_session(payload: dict[str, Any]) -> ActiveSession | None:
    """Returns the session of a token whose signature was verified, or None if it has ended. One query.

    It has also ended if it has expired, if its user is not active, and if the password was changed since.
    """
    session_key = allauth_tokens.session_key_from_sid(payload["sid"])
    found = selectors.find_active_session(session_key=session_key) if session_key else None
    if found is None or payload["sub"] != str(found.user.id) or not _is_valid(found.session_data, found.user):
        return None
    return found


def issue_tokens(*, user_id: UUID, sid: str, refresh_id: str, at: float) -> Tokens:
    """Returns an access token and the refresh token with the id `refresh_id`, both issued at `at` (s since 1970).

    `sid` is the encrypted key of their session. The same arguments give the same tokens.
    """

    def sign(use: str, token_id: str, lifetime_s: int) -> str:
        issued_at = int(at)
        claims = {"iat": issued_at, "exp": issued_at + lifetime_s, "jti": token_id, "token_use": use}
        claims |= {"sid": sid, "sub": str(user_id)}
        return jwt.encode(claims, settings.SECRET_KEY, algorithm=settings.HEADLESS_JWT_ALGORITHM)

    access_id = str(uuid5(_ACCESS_IDS, refresh_id))
    return Tokens(
        sign("access", access_id, settings.HEADLESS_JWT_ACCESS_TOKEN_EXPIRES_IN),
        sign("refresh", refresh_id, settings.HEADLESS_JWT_REFRESH_TOKEN_EXPIRES_IN),
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
