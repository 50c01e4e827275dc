"""Which refresh tokens of a session are good. They form a chain: the use of one issues the next.

A session stores the id of its newest token, and when those were first used that may still be repeated. The ids are no
credentials: a token is signed with the secret key, and is not stored.
"""

from datetime import timedelta
from uuid import UUID, uuid5

from django.conf import settings
from django.utils import timezone

from accounts.models import Session

# Used tokens that a session remembers. A client that refreshes more often than this within the grace is not one of
# ours, and the oldest of its tokens count as used too late.
MAX_REMEMBERED = 10

_NAMESPACE = UUID("5e55104e-0000-5000-8000-000000000001")


def start(*, session_key: str, refresh_id: str) -> None:
    """Makes `refresh_id` the only good refresh token of the session. One statement."""
    Session.objects.filter(session_key=session_key).update(refresh_id=refresh_id, refreshed={})


def use(session: Session, *, refresh_id: str, now: float) -> float | None:
    """Uses a refresh token of `session`, and returns when it was first used (s since 1970).

    That is `now` for the newest token, which prolongs the session and makes the successor the newest one. It is earlier
    for a token that was used within `ROOMLOG_REFRESH_GRACE_S`. For all others the result is None: they were used
    before. Call it in a transaction that has locked `session`. At most one statement.
    """
    recent: dict[str, float] = {
        used: at for used, at in session.refreshed.items() if now - at <= settings.ROOMLOG_REFRESH_GRACE_S
    }
    if refresh_id in recent:
        return recent[refresh_id]
    if refresh_id != session.refresh_id:
        return None
    newest = sorted(recent.items(), key=lambda used: used[1])[-(MAX_REMEMBERED - 1) :]
    Session.objects.filter(session_key=session.session_key).update(
        refresh_id=successor_of(refresh_id),
        refreshed=dict(newest) | {refresh_id: now},
        expire_date=timezone.now() + timedelta(seconds=settings.SESSION_COOKIE_AGE),
    )
    return now


def successor_of(refresh_id: str) -> str:
    """Returns the id of the token that the use of `refresh_id` issues. It is always the same one."""
    return str(uuid5(_NAMESPACE, refresh_id))
