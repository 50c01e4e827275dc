"""The quotas of rooms and members, and the bound on the members of a room.

A quota of something else is declared like these, with its field in `Limits`, and is counted by `use_quotas` in the
change that uses it.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from django.conf import settings

from accounts.quotas import DailyQuota, TotalQuota
from accounts.usage import Use, use_quotas
from foundation.errors import LimitReached
from rooms import models
from rooms.consent import Newcomer
from rooms.permissions import Role

MEMBERSHIPS: Final = TotalQuota(
    "memberships", "max_memberships",
    "You can be a member of at most {limit} rooms.", "This user cannot be a member of more rooms.",
)  # fmt: skip
ROOMS_OWNED: Final = TotalQuota(
    "rooms_owned", "max_rooms_owned", "You can own at most {limit} rooms.", "This user cannot own more rooms."
)
ROOMS_MADE: Final = DailyQuota("rooms_made", "rooms_per_day", "You can create {limit} rooms a day.")
ADDITIONS: Final = DailyQuota("additions", "additions_per_day", "You can add other users to rooms {limit} times a day.")


def require_places(room: models.Room, newcomers: Sequence[Newcomer]) -> None:
    """Raises `LimitReached` if the room, whose head is locked, has no place for all of `newcomers`. No query."""
    limit = settings.ROOMLOG_LIMITS.max_room_members
    if limit and room.member_count + len(newcomers) > limit:
        raise LimitReached(f"A room can have at most {limit:,} members.", field=newcomers[-1].field)


def count_newcomers(newcomers: Iterable[Newcomer], *, by_id: UUID, at: datetime, uses: Iterable[Use] = ()) -> None:
    """Counts new memberships, and `uses` with them. One query. Transaction and errors are those of `use_quotas`."""
    counted = list(uses)
    added = []
    for user, role, field in newcomers:
        counted.append(Use(MEMBERSHIPS, user.id, field=field))
        if role == Role.OWNER:
            counted.append(Use(ROOMS_OWNED, user.id, field=field))
        if user.id != by_id:
            added.append(field)
    if added:
        counted.append(Use(ADDITIONS, by_id, amount=len(added), field=added[-1]))
    use_quotas(counted, by_id=by_id, at=at)


def count_end(membership: models.Membership, *, by_id: UUID, at: datetime) -> None:
    """Takes back what a membership that has ended had used. One query."""
    uses = [Use(MEMBERSHIPS, membership.user_id, amount=-1)]
    if membership.role == Role.OWNER:
        uses.append(Use(ROOMS_OWNED, membership.user_id, amount=-1))
    use_quotas(uses, by_id=by_id, at=at)


def count_role(user_id: UUID, *, before: int, after: int, by_id: UUID, at: datetime) -> None:
    """Counts a member who becomes an owner, or is no longer one. One query, or none for any other change of the role.

    Transaction and errors are those of `use_quotas`.
    """
    difference = (after == Role.OWNER) - (before == Role.OWNER)
    if difference:
        use_quotas([Use(ROOMS_OWNED, user_id, amount=difference, field="role")], by_id=by_id, at=at)
