"""Tokens: how they are issued, and the check of access tokens, the same over REST and the socket."""

import time
from collections.abc import Sequence
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


class _Claims(NamedTuple):
    """What a token says, once its signature is verified. Empty if it is not valid."""

    session_key: str = ""
    user_id: str = ""


def check_access_token(token: str) -> Principal:
    """Returns the principal that `token` was issued to. One query, no transaction.

    Raises `Unauthenticated` if the token is malformed or forged, if its session has ended, if its user is not active or
    if the password was changed since; `TokenExpired`, which is a kind of it, if the token says that it has expired.
    """
    (outcome,) = check_access_tokens([token])
    if isinstance(outcome, Unauthenticated):
        raise outcome
    return outcome


def check_access_tokens(tokens: Sequence[str]) -> list[Principal | Unauthenticated]:
    """Returns what `check_access_token` returns or raises, for each of `tokens`, in their order.

    One query for any number of tokens; none if no token is valid. No transaction.
    """
    payloads = [allauth_tokens.decode_token(token, "access") for token in tokens]
    return [
        _principal_of(found) if found else TokenExpired() if _has_expired(token) else Unauthenticated()
        for token, found in zip(tokens, find_sessions(payloads), strict=True)
    ]


def find_sessions(payloads: Sequence[dict[str, Any] | None]) -> list[ActiveSession | None]:
    """Returns the session of each token whose signature was verified, or None if it has ended or the payload is None.

    It has also ended if it has expired, if its user is not active, and if the password was changed since. One query for
    any number of tokens; none if no payload is given.
    """
    keys = [allauth_tokens.session_key_from_sid(payload["sid"]) if payload else None for payload in payloads]
    sessions = selectors.active_sessions_by_key(key for key in keys if key)
    return [
        found if payload and key and (found := sessions.get(key)) and _is_session_of(found, payload) else None
        for payload, key in zip(payloads, keys, strict=True)
    ]


def _principal_of(found: ActiveSession) -> Principal:
    return Principal(
        user=selectors.user_of(found.user),
        session_key=found.session_key,
        session_id=public_session_id(found.session_key),
        auth_version=found.user.auth_version,
        expires_at=found.expires_at,
    )


def _is_session_of(found: ActiveSession, payload: dict[str, Any]) -> bool:
    return bool(payload["sub"] == str(found.user.id)) and _is_valid(found.session_data, found.user)


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
