"""Users for tests. They have no password, because hashing one takes half a second."""

from typing import NamedTuple
from uuid import UUID

from allauth.headless.tokens.strategies.jwt.internal import create_access_token
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

from accounts.models import User
from accounts.schema import Principal
from accounts.sessions import SessionStore
from accounts.tokens import check_access_token


class Person(NamedTuple):
    """A user who is signed in."""

    id: UUID
    username: str
    token: str
    session_key: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def principal(self) -> Principal:
        return check_access_token(self.token)


def sign_in(user: User) -> Person:
    """Creates a session and an access token, as allauth does."""
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    token = create_access_token(user, session, {})
    return Person(id=user.id, username=user.username, token=token, session_key=str(session.session_key))


def make_person(username: str) -> Person:
    return sign_in(User.objects.create_user(username))
