"""Who may put whom into a room: a user's own choice, and their departure from the room. Changes nothing."""

from collections.abc import Collection, Sequence
from typing import NamedTuple
from uuid import UUID

from django.db.models import Exists, OuterRef

from accounts import models as accounts
from accounts.selectors import added_by_of
from foundation.errors import Forbidden
from rooms import models
from rooms.permissions import Role


class Newcomer(NamedTuple):
    """A user who is about to become a member, with the field of the request that names them, if one does."""

    user: accounts.User
    role: Role
    field: str | None = None


def require_consent(newcomers: Sequence[Newcomer], *, by_id: UUID) -> None:
    """Raises `Forbidden`, with the field, for the first of `newcomers` who does not let the user `by_id` add them.

    The detail does not say what they have chosen. One query if any of them admit only those with whom they share a
    room, otherwise none.
    """
    choices = [added_by_of(newcomer.user) for newcomer in newcomers]
    asked = [newcomer.user.id for newcomer, choice in zip(newcomers, choices, strict=True) if choice == "shares_a_room"]
    sharing = _sharing_a_room(asked, by_id) if asked else set()
    for newcomer, choice in zip(newcomers, choices, strict=True):
        if choice != "anyone" and newcomer.user.id not in sharing:
            raise Forbidden("This user does not let you add them to rooms.", field=newcomer.field)


def require_removed(membership: models.Membership, *, field: str) -> None:
    """Raises `Forbidden` if the former member left by their own choice: only they may undo that. No query."""
    if membership.left_voluntarily:
        raise Forbidden("This user left the room: only they can bring themselves back.", field=field)


def _sharing_a_room(user_ids: Collection[UUID], other_id: UUID) -> set[UUID]:
    """Returns those of the users who are, now, members of a room of which `other_id` is a member too. One query."""
    present = models.Membership.objects.filter(left_seq__isnull=True)
    shared = present.filter(user_id=OuterRef("id"), room_id__in=present.filter(user_id=other_id).values("room_id"))
    return set(accounts.User.objects.filter(Exists(shared), id__in=user_ids).values_list("id", flat=True))
