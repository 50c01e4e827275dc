"""Reads of users. Renders models as the shapes of `accounts.schema`."""

from collections.abc import Collection, Iterable
from uuid import UUID

from django.utils import timezone

from accounts import models
from accounts.errors import NotFound
from accounts.paging import page_of
from accounts.schema import User, UserPage

# Well under the number of values that a statement of SQLite may bind.
KEYS_PER_QUERY = 5_000


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


def list_standing_sessions(*, session_keys: Collection[str]) -> dict[str, tuple[bool, int]]:
    """Of those sessions that still stand: whether the user is active, and their `auth_version`.

    One query for every few thousand sessions.
    """
    keys = list(session_keys)
    standing: dict[str, tuple[bool, int]] = {}
    for start in range(0, len(keys), KEYS_PER_QUERY):
        rows = models.Session.objects.filter(
            session_key__in=keys[start : start + KEYS_PER_QUERY], expire_date__gt=timezone.now(), user__isnull=False
        )
        for key, is_active, version in rows.values_list("session_key", "user__is_active", "user__auth_version"):
            standing[key] = bool(is_active), int(version or 0)
    return standing


def users_by_id(user_ids: Iterable[UUID]) -> dict[UUID, User]:
    """Users, active or not, for the rendering of what they did."""
    return {row.id: user_of(row) for row in models.User.objects.filter(id__in=set(user_ids))}
