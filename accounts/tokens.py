"""The check of access tokens, the same over REST and the socket."""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

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
    claims = [_claims_of(token) for token in tokens]
    sessions = selectors.active_sessions_by_key(each.session_key for each in claims if each.session_key)
    return [
        _principal_of(each, sessions.get(each.session_key))
        or (TokenExpired() if _has_expired(token) else Unauthenticated())
        for token, each in zip(tokens, claims, strict=True)
    ]


def _claims_of(token: str) -> _Claims:
    payload = access_tokens.decode_token(token, "access")
    if payload is None:
        return _Claims()
    return _Claims(access_tokens.session_key_from_sid(payload["sid"]) or "", payload["sub"])


def _principal_of(claims: _Claims, found: selectors.ActiveSession | None) -> Principal | None:
    """Returns the principal of a token whose session was `found`, or None if the token is not valid for it."""
    if found is None or claims.user_id != str(found.user.id) or not _is_valid(found.session_data, found.user):
        return None
    return Principal(
        user=selectors.user_of(found.user),
        session_key=claims.session_key,
        session_id=public_session_id(claims.session_key),
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
