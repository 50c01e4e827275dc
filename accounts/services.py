"""Changes to users."""

from uuid import UUID

import msgspec
from django.db import transaction
from django.utils import timezone

from accounts import models, revocation, selectors
from accounts.schema import Me, UserPatch
from foundation.errors import NotFound


def update_user(*, user_id: UUID, patch: UserPatch) -> Me:
    """Sets the fields that are given in `patch`, and returns the user as they see themselves.

    Opens a transaction. Raises `NotFound` if there is no active user with this id.
    """
    changes = {name: value for name, value in msgspec.structs.asdict(patch).items() if value is not msgspec.UNSET}
    with transaction.atomic(durable=True):
        user = models.User.objects.select_for_update(no_key=True).filter(id=user_id, is_active=True).first()
        if user is None:
            raise NotFound("There is no such user.")
        for name, value in changes.items():
            setattr(user, name, value)
        user.save(update_fields=list(changes))
    return selectors.me_of(user)


def set_active(*, username: str, active: bool) -> None:
    """Activates or deactivates the user with this username, in any case. Does nothing if they already are.

    Either change raises `auth_version` and ends the user's sessions: sockets are closed, tokens are refused, and a user
    who is activated again signs in again. Opens a transaction, and announces the change after the commit. Raises
    `NotFound`.
    """
    with transaction.atomic(durable=True):
        user = models.User.objects.select_for_update(no_key=True).filter(username=username.lower()).first()
        if user is None:
            raise NotFound("There is no such user.")
        if user.is_active == active:
            return
        user.is_active = active
        user.auth_version += 1
        user.save(update_fields=["is_active", "auth_version"])
        # Kept until they are cleared, so that a sweep can tell an inactive user from a session that has ended.
        models.Session.objects.filter(user=user).update(expire_date=timezone.now())
    revocation.announce(user.id)
