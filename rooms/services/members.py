"""Changes of memberships: joining, leaving, adding, removing, roles and mutes."""

import re
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from accounts import models as accounts
from foundation.errors import Conflict, Forbidden, Invalid
from rooms import models
from rooms.access import Access, get_member_row, require_writable
from rooms.change import changing_room, locked_room
from rooms.consent import Newcomer, require_consent, require_removed
from rooms.errors import LastOwner, NotAMember
from rooms.events import MemberLeft, MemberRemoved, MemberUpdated
from rooms.permissions import Permission, Role
from rooms.schema import Joined, Member, MemberPatch, NewMember
from rooms.selectors import get_joined, joined_of, member_of
from rooms.services.admission import add_memberships, append_member_change, end_membership
from rooms.services.quotas import count_role

# `datetime.fromisoformat` also accepts ISO 8601 forms that RFC 3339 does not allow.
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def join_room(*, user_id: UUID, room_id: UUID) -> Joined:
    """Returns the room and the user's membership. A user who joins a public room becomes a member (`member.joined`).

    One query if the user is a member already; otherwise opens a durable transaction. Raises `NotFound` if the room does
    not exist, or is private and the user is not a member; `Archived` if a new member would join an archived room;
    `LimitReached` if the room is full or the user is a member of too many rooms.
    """
    try:
        return get_joined(user_id=user_id, room_id=room_id)
    except NotAMember:
        pass
    with locked_room(room_id) as change:
        try:
            return get_joined(user_id=user_id, room_id=room_id)
        except NotAMember:
            room = models.Room.objects.select_related("head").get(id=room_id)
        require_writable(room)
        user = accounts.User.objects.get(id=user_id)
        (membership,) = add_memberships(change, room, [Newcomer(user, Role.MEMBER)], by=user)
        room.head.seq = change.head.seq
    return joined_of(membership)


def leave_room(*, user_id: UUID, room_id: UUID) -> None:
    """Ends the user's own membership (`member.left`).

    Opens a durable transaction. Raises `LastOwner` if the user is the only owner, and what `access_room` raises.
    """
    with changing_room(room_id, user_id=user_id) as (change, access):
        _require_another_owner(access.membership)
        end_membership(change, access.membership, kind=MemberLeft, by=access.membership.user)


def add_member(*, user_id: UUID, room_id: UUID, new: NewMember) -> tuple[Member, bool]:
    """Adds an active user to the room (`member.joined`, and `room.added` to their sockets).

    Returns the member, and whether they are new: adding a member again with the same role changes nothing. Opens a
    durable transaction. Raises `Forbidden` if `user_id` may not grant the role, or if the new member left the room or
    does not let `user_id` add them; `Invalid` if there is no such user, `Conflict` if the user is a member with another
    role, `Archived`, `LimitReached` or `RateLimited` if the room is full or a quota is used up, and what `access_room`
    raises.
    """
    role = Role[new.role.upper()]
    with changing_room(room_id, user_id=user_id, permission=Permission.ADD_MEMBERS) as (change, access):
        require_writable(access.room)
        _require_may_grant(access, role)
        user = accounts.User.objects.filter(id=new.user, is_active=True).first()
        if user is None:
            raise Invalid("There is no such user.", field="user")
        known = models.Membership.objects.select_related("user").filter(room_id=room_id, user_id=user.id).first()
        if known is not None:
            if known.left_seq is None:
                if known.role != role:
                    raise Conflict("The user is already a member with another role. Change it instead.", field="role")
                return member_of(known), False
            require_removed(known, field="user")
        newcomer = Newcomer(user, role, field="user")
        require_consent([newcomer], by_id=user_id)
        (membership,) = add_memberships(change, access.room, [newcomer], by=access.membership.user)
    return member_of(membership), True


def remove_member(*, user_id: UUID, room_id: UUID, member_id: UUID) -> None:
    """Ends the membership of `member_id` (`member.removed`), which is the last event of the room that they receive.

    If `member_id` is `user_id`, does what `leave_room` does. Opens a durable transaction. Raises `Forbidden` if the
    member's role is not lower than that of `user_id`, `NotFound` if there is no such member, and what `access_room`
    raises.
    """
    if member_id == user_id:
        return leave_room(user_id=user_id, room_id=room_id)
    with changing_room(room_id, user_id=user_id, permission=Permission.REMOVE_MEMBERS) as (change, access):
        membership = _get_lower_membership(access, member_id)
        membership.room = access.room
        end_membership(change, membership, kind=MemberRemoved, by=access.membership.user)
    return None


def update_member(*, user_id: UUID, room_id: UUID, member_id: UUID, patch: MemberPatch) -> Member:
    """Sets the role or the mute of `member_id` as given in `patch` (`member.updated`, if anything changes).

    Opens a durable transaction. Raises `Forbidden` if `user_id` may not do this, `LastOwner` if the only owner would
    take a lower role, `LimitReached` if a new owner owns too many rooms, `NotFound` if there is no such member,
    `Invalid` if `patch` is empty or its time is malformed, and what `access_room` raises.
    """
    with changing_room(room_id, user_id=user_id) as (change, access):
        membership, changes = _changes(access, member_id, patch)
        changes = {name: value for name, value in changes.items() if getattr(membership, name) != value}
        if changes:
            before = membership.role
            for name, value in changes.items():
                setattr(membership, name, value)
            membership.save(update_fields=list(changes))
            count_role(member_id, before=before, after=membership.role, by_id=user_id, at=change.at)
            append_member_change(change, MemberUpdated, membership, by=access.membership.user)
    return member_of(membership)


def _changes(access: Access, member_id: UUID, patch: MemberPatch) -> tuple[models.Membership, dict[str, object]]:
    """Returns the membership, and the columns to set with their values. Raises what `update_member` raises."""
    changes: dict[str, object] = {}
    membership = None
    if patch.role is not msgspec.UNSET:
        role = Role[patch.role.upper()]
        membership = _membership_for_role(access, member_id, role)
        changes["role"] = role
    if patch.muted_until is not msgspec.UNSET:
        access.require(Permission.MUTE_MEMBERS)
        if patch.muted_until is None and access.membership.role == Role.OWNER:  # an owner may unmute anyone
            muted = get_member_row(room_id=access.room.id, user_id=member_id)
        else:
            muted = _get_lower_membership(access, member_id)
        membership = membership or muted
        changes["muted_until"] = _parse_time(patch.muted_until)
    if membership is None:
        raise Invalid("Give `role` or `muted_until`.")
    return membership, changes


def _membership_for_role(access: Access, member_id: UUID, role: Role) -> models.Membership:
    """Returns the membership if the user may set its role to `role`. The last owner must stay an owner."""
    access.require(Permission.CHANGE_ROLES)
    _require_may_grant(access, role)
    if access.membership.role < Role.OWNER:
        return _get_lower_membership(access, member_id)
    membership = get_member_row(room_id=access.room.id, user_id=member_id)
    if role < Role.OWNER:
        _require_another_owner(membership)
    return membership


def _require_may_grant(access: Access, role: Role) -> None:
    if role >= Role.ADMIN:
        access.require(Permission.HAND_OVER)
    elif role > Role.MEMBER:
        access.require(Permission.CHANGE_ROLES)


def _require_another_owner(membership: models.Membership) -> None:
    if membership.role < Role.OWNER:
        return
    owners = models.Membership.objects.filter(
        room_id=membership.room_id, role=Role.OWNER, left_seq__isnull=True, user__is_active=True
    )
    if not owners.exclude(user_id=membership.user_id).exists():
        raise LastOwner


def _get_lower_membership(access: Access, member_id: UUID) -> models.Membership:
    membership = get_member_row(room_id=access.room.id, user_id=member_id)
    if membership.role >= access.membership.role:
        raise Forbidden("The role of this member is not lower than yours.")
    return membership


def _parse_time(text: str | None) -> datetime | None:
    if text is None:
        return None
    if not _RFC_3339.fullmatch(text):
        raise Invalid("Must be an RFC 3339 time with an offset or `Z`.", field="muted_until")
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Invalid("Must be a valid time.", field="muted_until") from None
