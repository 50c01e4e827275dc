"""Reads of users. Renders models as the shapes of `accounts.schema`."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple
from uuid import UUID

from django.db import connection
from django.utils import timezone

from accounts import models
from accounts.errors import NotFound
from accounts.lookup import look_up
from accounts.paging import page_of
from accounts.schema import User, UserPage

_CHANGED_SESSIONS = """
    SELECT sought.key, u.is_active, u.auth_version
    FROM sought
    LEFT JOIN accounts_session s ON s.session_key = sought.key AND s.expire_date > %s
    LEFT JOIN accounts_user u ON u.id = s.user_id
    WHERE NOT coalesce(u.is_active AND u.auth_version = sought.number, FALSE)
"""


class Standing(NamedTuple):
    """The user of a session."""

    is_active: bool
    auth_version: int


def user_of(user: models.User) -> User:
    return User(
        id=user.id,
        username=user.username,
        display_name=user.display_name or user.username,
        avatar_url=user.avatar_url,
        bot=user.is_bot,
        data=user.data,
    )


def get_user(*, user_id: UUID) -> User:
    """One active user. Raises `NotFound`."""
    user = models.User.objects.filter(id=user_id, is_active=True).first()
    if user is None:
        raise NotFound("There is no such user.")
    return user_of(user)


def list_users(*, search: str, before: str | None, after: str | None, limit: int) -> UserPage:
    """Active users by username, whose username starts with `search`; `before` and `after` are usernames."""
    users = models.User.objects.filter(is_active=True, username__startswith=search.lower())
    page = page_of(users, key="username", before=before, after=after, limit=limit)
    return UserPage(results=[user_of(row) for row in page.rows], has_before=page.has_before, has_after=page.has_after)


def list_changed_sessions(*, auth_versions: Mapping[str, int]) -> dict[str, Standing | None]:
    """Of the sessions that were admitted with those `auth_versions`, by their keys: which are no longer as they were.

    What they are now; None where they ended. One query.
    """
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    rows = look_up(_CHANGED_SESSIONS, auth_versions, now)
    return {key: None if version is None else Standing(bool(is_active), version) for key, is_active, version in rows}


def users_by_id(user_ids: Iterable[UUID]) -> dict[UUID, User]:
    """Users, active or not, for the rendering of what they did."""
    return {row.id: user_of(row) for row in models.User.objects.filter(id__in=set(user_ids))}
