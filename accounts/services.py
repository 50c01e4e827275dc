"""Changes to users."""

from uuid import UUID

import msgspec
from django.db import transaction

from accounts import models, revocation, selectors
from accounts.schema import User, UserPatch
from foundation.errors import NotFound


def update_user(*, user_id: UUID, patch: UserPatch) -> User:
    """Set what `patch` holds and return the user as it is now. Opens a transaction. Raises `NotFound`."""
    changes = {name: value for name, value in msgspec.structs.asdict(patch).items() if value is not msgspec.UNSET}
    with transaction.atomic(durable=True):
        user = models.User.objects.select_for_update(no_key=True).filter(id=user_id, is_active=True).first()
        if user is None:
            raise NotFound("There is no such user.")
        for name, value in changes.items():
            setattr(user, name, value)
        user.save(update_fields=list(changes))
    return selectors.user_of(user)


def set_active(*, username: str, active: bool) -> None:
    """Let a user in, or put them out: sockets closed, tokens refused. Opens a transaction. Raises `NotFound`."""
    with transaction.atomic(durable=True):
        user = models.User.objects.select_for_update(no_key=True).filter(username=username.lower()).first()
        if user is None:
            raise NotFound("There is no such user.")
        if user.is_active == active:
            return
        user.is_active = active
        user.auth_version += 1
        user.save(update_fields=["is_active", "auth_version"])
    revocation.announce(user.id)
