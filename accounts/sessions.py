"""The session engine (`SESSION_ENGINE`): Django's database sessions with their user and a label as columns."""

from typing import Any, cast
from uuid import UUID, uuid5

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseSessionStore
from django.core.signing import BadSignature, Signer

from accounts import revocation
from accounts.models import Session

_NAMESPACE = UUID("5e55104e-0000-5000-8000-000000000000")


class SessionStore(DatabaseSessionStore):
    """Stores the user and a label beside the session data, so that the sessions of a user can be found and ended."""

    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        session = cast("Session", super().create_model_instance(data))
        user_id = data.get(SESSION_KEY)
        session.user_id = UUID(user_id) if user_id else None
        session.label = str(data.get("label", ""))[:200]
        return session

    def delete(self, session_key: str | None = None) -> None:
        """Ends the session: its tokens are refused from now on, and its sockets closed. Announces the revocation."""
        key = session_key or self.session_key
        users = list(Session.objects.filter(session_key=key, user__isnull=False).values_list("user_id", flat=True))
        super().delete(session_key)
        for user_id in users:
            revocation.announce(user_id)


def public_session_id(session_key: str) -> UUID:
    """Returns an id that may be shown. The key cannot be derived from it."""
    return uuid5(_NAMESPACE, session_key)


def session_token_of(session_key: str) -> str:
    """Returns the credential for the session with this key, which clients send as `X-Session-Token`.

    It is the key, signed with `SECRET_KEY`: who reads the database cannot make one.
    """
    return _signer().sign(session_key)


def session_key_of(session_token: str) -> str | None:
    """Returns the key that `session_token` was made for, or None if it was not made with the present `SECRET_KEY`."""
    try:
        return _signer().unsign(session_token)
    except BadSignature:
        return None


def _signer() -> Signer:
    return Signer(salt="accounts.session_token", fallback_keys=[])
