"""Starts and ends memberships inside a change of the room. Checks no authority."""

from collections.abc import Sequence

from django.db.models import F

from accounts import models as accounts
from accounts.selectors import user_of
from accounts.usage import Use
from rooms import models
from rooms.change import Change
from rooms.consent import Newcomer
from rooms.events import MemberChange, MemberEvent, MemberJoined, MemberLeft, RoomAdded
from rooms.selectors import member_of, room_of
from rooms.services.quotas import count_end, count_newcomers, require_places
from rooms.user_versions import raise_versions


def add_memberships(
    change: Change, room: models.Room, newcomers: Sequence[Newcomer], *, by: accounts.User, uses: Sequence[Use] = ()
) -> list[models.Membership]:
    """Makes `newcomers`, none of whom is a member, members of the room, with a `member.joined` for each.

    Their read cursors start at the head. A former member keeps their mute and notification level. Everyone but `by`
    receives `room.added`. Returns the memberships in the order of `newcomers`. Counts them, and `uses`, towards quotas.
    Four queries for any number of users, and one more if somebody receives `room.added`; call it inside the transaction
    of `change`.

    Raises `LimitReached` if the room has no place for them, and what `use_quotas` raises.
    """
    require_places(room, newcomers)
    memberships = _memberships(room, [newcomer.user for newcomer in newcomers])
    versions = raise_versions(newcomer.user.id for newcomer in newcomers if newcomer.user.id != by.id)
    for membership, newcomer in zip(memberships, newcomers, strict=True):
        membership.role, membership.joined_seq = newcomer.role, change.next_seq
        membership.left_seq, membership.left_voluntarily = None, False
        membership.read_id = change.head.message_id
        membership.user_version = membership.added_version = versions.get(membership.user_id, 0)
        membership.read_version = 0
        append_member_change(change, MemberJoined, membership, by=by)
    models.Membership.objects.bulk_create(
        memberships,
        update_conflicts=True,
        unique_fields=["room_id", "user_id"],
        update_fields=[
            "role", "joined_seq", "left_seq", "left_voluntarily", "read_id",
            "user_version", "added_version", "read_version",
        ],
    )  # fmt: skip
    _change_member_count(room, len(newcomers))
    count_newcomers(newcomers, by_id=by.id, at=change.at, uses=uses)
    for user_id, version in versions.items():
        change.notify(user_id, version, RoomAdded(room=room.id, data=room_of(room)))
    return memberships


def end_membership(
    change: Change, membership: models.Membership, *, kind: type[MemberEvent], by: accounts.User
) -> None:
    """Ends `membership` with an entry of `kind`, which is the last event of the room that the member receives.

    Three queries; call it inside the transaction of `change`.
    """
    membership.left_seq, membership.left_voluntarily = change.next_seq, kind is MemberLeft
    membership.save(update_fields=["left_seq", "left_voluntarily"])
    append_member_change(change, kind, membership, by=by)
    _change_member_count(membership.room, -1)
    count_end(membership, by_id=by.id, at=change.at)


def append_member_change(
    change: Change, kind: type[MemberEvent], membership: models.Membership, *, by: accounts.User
) -> None:
    """Appends an entry of `kind` that shows `membership` as it is now. No query."""
    data = MemberChange(member=member_of(membership), by=user_of(by))
    change.append(kind, data, actor_id=by.id, user_id=membership.user_id)


def _memberships(room: models.Room, users: Sequence[accounts.User]) -> list[models.Membership]:
    """Returns a membership for each user, in their order: a former member's row, or a new one. One query."""
    ids = [user.id for user in users]
    former = {row.user_id: row for row in models.Membership.objects.filter(room_id=room.id, user_id__in=ids)}
    memberships = [former.get(user.id) or models.Membership(room=room, user=user) for user in users]
    for membership, user in zip(memberships, users, strict=True):
        membership.room, membership.user = room, user
    return memberships


def _change_member_count(room: models.Room, difference: int) -> None:
    models.Room.objects.filter(id=room.id).update(member_count=F("member_count") + difference)
    room.member_count += difference
