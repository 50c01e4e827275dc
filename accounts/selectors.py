"""Reads of users and sessions. Renders models as the shapes of `accounts.schema`; no transactions."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple, cast
from uuid import UUID

import msgspec
from django.conf import settings
from django.utils import timezone

from accounts import models
from accounts.schema import AddedBy, Me, SessionStanding, User, UserPage
from foundation.errors import NotFound
from foundation.paging import page_of
from foundation.sql import Lookup, Query, SqlRow, as_moment, as_uuid, bound_moment

_CHANGED_SESSIONS = Lookup(
    """
    SELECT input.key, u.is_active, u.auth_version, coalesce(s.expire_date > %s, FALSE)
    FROM input
    LEFT JOIN accounts_session s ON s.session_key = input.key
    LEFT JOIN accounts_user u ON u.id = s.user_id
    WHERE NOT coalesce(u.is_active AND u.auth_version = input.number AND s.expire_date > %s, FALSE)
    """,
    key="text",
)

_ACTIVE_SESSIONS = Query(
    """
    SELECT s.session_key, s.session_data, s.expire_date, u.id, u.password, u.username, u.display_name, u.avatar_url,
           u.data, u.is_bot, u.auth_version
    FROM input
    JOIN accounts_session s ON s.session_key = input.session_key AND s.expire_date > input.at
    JOIN accounts_user u ON u.id = s.user_id AND u.is_active
    """,
    session_key="text", at="timestamptz",
)  # fmt: skip


class ActiveSession(NamedTuple):
    """A session that has not expired, and its active user, who has only the fields that were read: do not save it."""

    session_key: str
    session_data: str
    expires_at: datetime
    user: models.User


def user_of(user: models.User) -> User:
    """Renders `user`. A user without a display name is shown by their username."""
    return User(
        id=user.id,
        username=user.username,
        display_name=user.display_name or user.username,
        avatar_url=user.avatar_url,
        bot=user.is_bot,
        data=user.data,
    )


def added_by_of(user: models.User) -> AddedBy:
    """Returns who may add `user` to rooms: their choice, or the installation's default if they have not chosen."""
    return cast("AddedBy", user.added_by or settings.ROOMLOG_DEFAULT_ADDED_BY)


def me_of(user: models.User) -> Me:
    """Renders `user` for themselves."""
    return Me(**msgspec.structs.asdict(user_of(user)), added_by=added_by_of(user))


def get_me(*, user_id: UUID) -> Me:
    """Returns the active user with this id, as only they may see themselves. Raises `NotFound`. One query."""
    return me_of(_get_active_user(user_id))


def get_user(*, user_id: UUID) -> User:
    """Returns the active user with this id. Raises `NotFound`. One query."""
    return user_of(_get_active_user(user_id))


def list_users(*, search: str, before: str | None, after: str | None, limit: int) -> UserPage:
    """Returns a page of active users, in order of username, whose username starts with `search` in any case.

    `before` and `after` are usernames, or None. Bounded by `page_max_bytes`, too. One query.
    """
    users = models.User.objects.filter(is_active=True, username__startswith=search.lower())
    page = page_of(users, key="username", before=before, after=after, limit=limit)
    return page.render(UserPage, [user_of(row) for row in page.rows])


def active_sessions_by_key(session_keys: Iterable[str]) -> dict[str, ActiveSession]:
    """Returns the sessions with these keys, without those that have ended or expired or whose user is not active.

    One query, in plain SQL, because every handshake and every request makes it; none for no keys.
    """
    now = timezone.now()
    rows = _ACTIVE_SESSIONS.run([(key, now) for key in set(session_keys)])
    return {row[0]: _active_session_of(row) for row in rows}


def _active_session_of(row: SqlRow) -> ActiveSession:
    session_key, session_data, expires_at, user_id, password, *shown, data, is_bot, auth_version = row
    username, display_name, avatar_url = shown
    user = models.User(
        id=as_uuid(user_id),
        password=password,
        username=username,
        display_name=display_name,
        avatar_url=avatar_url,
        data=msgspec.json.decode(data),
        is_bot=bool(is_bot),
        auth_version=auth_version,
    )
    return ActiveSession(session_key, session_data, as_moment(expires_at), user)


def list_changed_sessions(*, auth_versions: Mapping[str, int]) -> dict[str, SessionStanding | None]:
    """Returns the sessions that have changed since they were admitted, by key. One query.

    `auth_versions` has, by session key, the `auth_version` that each session was admitted with. A session has changed
    if its user has another one now or is not active. The value is None if the session has ended or expired.
    """
    now = bound_moment(timezone.now())
    rows = _CHANGED_SESSIONS.run(auth_versions, now, now)
    return {
        # An inactive user's sessions have ended as well, but the user is the reason.
        key: SessionStanding(bool(is_active), version) if version is not None and (is_there or not is_active) else None
        for key, is_active, version, is_there in rows
    }


def users_by_id(user_ids: Iterable[UUID]) -> dict[UUID, User]:
    """Returns the users with these ids, active or not. Ids that do not exist are left out. One query."""
    return {row.id: user_of(row) for row in models.User.objects.filter(id__in=set(user_ids))}


def _get_active_user(user_id: UUID) -> models.User:
    user = models.User.objects.filter(id=user_id, is_active=True).first()
    if user is None:
        raise NotFound("There is no such user.")
    return user
