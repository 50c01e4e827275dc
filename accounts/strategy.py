"""The tokens that django-allauth issues and accepts (`HEADLESS_TOKEN_STRATEGY`)."""

import time
from uuid import uuid4

import structlog
from allauth.core.internal.httpkit import authenticated_user
from allauth.headless.internal import sessionkit
from allauth.headless.tokens.strategies.base import AbstractTokenStrategy
from allauth.headless.tokens.strategies.jwt import internal
from allauth.headless.tokens.strategies.jwt.strategy import JWTTokenStrategy
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.http import HttpRequest

from accounts import refreshes
from accounts.models import Session
from accounts.sessions import SessionStore, session_key_of, session_token_of
from accounts.tokens import find_sessions, issue_tokens

log = structlog.get_logger(__name__)


class TokenStrategy(JWTTokenStrategy):  # type: ignore[misc]
    def get_session_token(self, request: HttpRequest) -> str | None:
        """Returns the session token of the request: the one in `X-Session-Token`, or that of the access token."""
        sent: str | None = AbstractTokenStrategy.get_session_token(self, request)
        if sent:
            return sent
        key: str | None = super().get_session_token(request)
        return session_token_of(key) if key else None

    def create_session_token(self, request: HttpRequest) -> str:
        """Returns the session token of the request's session. Every session has one, and it stays the same."""
        return session_token_of(super().create_session_token(request))

    def lookup_session(self, session_token: str) -> SessionBase | None:
        """Returns the session that `session_token` was issued for. The key of a session is no token of it."""
        key = session_key_of(session_token)
        return None if key is None else sessionkit.lookup_session(key)

    def create_access_token_payload(self, request: HttpRequest) -> dict[str, str]:
        """Returns the first two tokens of a user who has just signed in. One statement."""
        session_key = JWTTokenStrategy.create_session_token(self, request)  # saves a new session
        refresh_id = str(uuid4())
        refreshes.start(session_key=session_key, refresh_id=refresh_id)
        tokens = issue_tokens(
            user_id=authenticated_user(request).pk,
            sid=internal.session_key_to_sid(session_key),
            refresh_id=refresh_id,
            at=time.time(),
        )
        return tokens._asdict()

    def refresh_token(self, refresh_token: str) -> tuple[str, str] | None:
        """Returns an access token and a refresh token that succeed `refresh_token`, or None if it is not valid.

        A refresh token is good once. If it comes again within `ROOMLOG_REFRESH_GRACE_S` of its first use, it gets the
        same two tokens again: their content follows from that of `refresh_token` and from the time of its first use.
        If it comes later than that, it may be stolen: its session ends.

        Opens a transaction that locks the session, so that requests for one session wait for each other. Announces the
        revocation after the commit.
        """
        payload = internal.decode_token(refresh_token, "refresh")
        if payload is None:
            return None
        session_key = internal.session_key_from_sid(payload["sid"])
        with transaction.atomic():
            session = Session.objects.select_for_update(no_key=True).filter(session_key=session_key).first()
            (found,) = find_sessions([payload])
            if session is None or found is None:
                return None
            used_at = refreshes.use(session, refresh_id=payload["jti"], now=time.time())
        if used_at is None:
            SessionStore().delete(session.session_key)
            log.warning("a refresh token was used again: its session was ended", user=str(session.user_id))
            return None
        return issue_tokens(
            user_id=found.user.id,
            sid=payload["sid"],
            refresh_id=refreshes.successor_of(payload["jti"]),
            at=used_at,
        )
