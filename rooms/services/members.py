"""Joining, leaving, adding, removing, promoting, muting."""

import re
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from accounts import models as accounts
from foundation.errors import Conflict, Forbidden, Invalid, NotFound
from rooms import models
from rooms.access import Access, require_writable
from rooms.change import changing_room, locked_room
from rooms.errors import LastOwner, NotAMember
from rooms.events import MemberLeft, MemberRemoved, MemberUpdated
from rooms.permissions import Permission, Role
from rooms.schema import Joined, Member, MemberPatch, NewMember
from rooms.selectors import get_joined, joined_of, member_of
from rooms.services.admission import add_memberships, append_member_change, end_membership

# `datetime.fromisoformat` accepts more of ISO 8601 than RFC 3339 allows.
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def join_room(*, user_id: UUID, room_id: UUID) -> Joined:
    """Returns the user's membership. Joining a public room makes the user a member (`member.joined`).

    One query for a member; opens a transaction for a new one. Raises `NotFound` and `Archived`.
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
        (membership,) = add_memberships(change, room, [user], by=user, role=Role.MEMBER)
        room.head.seq = change.head.seq
    return joined_of(membership)


def leave_room(*, user_id: UUID, room_id: UUID) -> None:
    """Ends one's own membership (`member.left`). Opens a transaction.

    Raises `LastOwner`, and what `access_room` raises.
    """
    with changing_room(room_id, user_id=user_id) as (change, access):
        _keep_an_owner(access.membership)
        end_membership(change, access.membership, kind=MemberLeft, by=access.membership.user)


def add_member(*, user_id: UUID, room_id: UUID, new: NewMember) -> tuple[Member, bool]:
    """Adds an active user to the room (`member.joined`, and `room.added` to their sockets). Opens a transaction.

    Returns the member and whether they are new. Raises `Forbidden` if the role is not the actor's to give, `Invalid`
    if there is no such user, `Conflict` if they are a member with another role, `Archived`, and what `access_room`
    raises.
    """
    role = Role[new.role.upper()]
    with changing_room(room_id, user_id=user_id, permission=Permission.ADD_MEMBERS) as (change, access):
        require_writable(access.room)
        _require_may_give(access, role)
        user = accounts.User.objects.filter(id=new.user, is_active=True).first()
        if user is None:
            raise Invalid("There is no such user.", field="user")
        present = _membership(room_id, user.id)
        if present is not None:
            if present.role != role:
                raise Conflict("They are a member with another role: change it instead.", field="role")
            return member_of(present), False
        (membership,) = add_memberships(change, access.room, [user], by=access.membership.user, role=role)
    return member_of(membership), True


def remove_member(*, user_id: UUID, room_id: UUID, member_id: UUID) -> None:
    """Ends somebody's membership (`member.removed`): they follow up to that entry and no further.

    Removing oneself is leaving. Opens a transaction. Raises `Forbidden` if their role is not lower than the actor's,
    `NotFound` if there is no such member, and what `access_room` raises.
    """
    if member_id == user_id:
        return leave_room(user_id=user_id, room_id=room_id)
    with changing_room(room_id, user_id=user_id, permission=Permission.REMOVE_MEMBERS) as (change, access):
        membership = _lower_member(access, member_id)
        membership.room = access.room
        end_membership(change, membership, kind=MemberRemoved, by=access.membership.user)
    return None


def update_member(*, user_id: UUID, room_id: UUID, member_id: UUID, patch: MemberPatch) -> Member:
    """Changes a member's role or mutes them (`member.updated`, if anything changed). Opens a transaction.

    Raises `Forbidden`, `LastOwner`, `NotFound`, `Invalid`, and what `access_room` raises.
    """
    with changing_room(room_id, user_id=user_id) as (change, access):
        membership, changes = _changes(access, member_id, patch)
        changes = {name: value for name, value in changes.items() if getattr(membership, name) != value}
        if changes:
            for name, value in changes.items():
                setattr(membership, name, value)
            membership.save(update_fields=list(changes))
            append_member_change(change, MemberUpdated, membership, by=access.membership.user)
    return member_of(membership)


def _changes(access: Access, member_id: UUID, patch: MemberPatch) -> tuple[models.Membership, dict[str, object]]:
    """Returns the membership and the columns that `patch` sets, if the actor may."""
    changes: dict[str, object] = {}
    membership = None
    if patch.role is not msgspec.UNSET:
        role = Role[patch.role.upper()]
        membership = _member_for_role(access, member_id, role)
        changes["role"] = role
    if patch.muted_until is not msgspec.UNSET:
        access.require(Permission.MUTE_MEMBERS)
        is_lifted_by_owner = patch.muted_until is None and access.membership.role == Role.OWNER
        muted = _member(access, member_id) if is_lifted_by_owner else _lower_member(access, member_id)
        membership = membership or muted
        changes["muted_until"] = _moment(patch.muted_until)
    if membership is None:
        raise Invalid("Nothing to change: give `role` or `muted_until`.")
    return membership, changes


def _member_for_role(access: Access, member_id: UUID, role: Role) -> models.Membership:
    """Returns the membership if the actor may give it `role`. An owner may step down once there is another owner."""
    access.require(Permission.CHANGE_ROLES)
    _require_may_give(access, role)
    if access.membership.role < Role.OWNER:
        return _lower_member(access, member_id)
    membership = _member(access, member_id)
    if role < Role.OWNER:
        _keep_an_owner(membership)
    return membership


def _require_may_give(access: Access, role: Role) -> None:
    if role >= Role.ADMIN:
        access.require(Permission.HAND_OVER)
    elif role > Role.MEMBER:
        access.require(Permission.CHANGE_ROLES)


def _keep_an_owner(membership: models.Membership) -> None:
    if membership.role < Role.OWNER:
        return
    owners = models.Membership.objects.filter(room_id=membership.room_id, role=Role.OWNER, left_seq__isnull=True)
    if not owners.exclude(user_id=membership.user_id).exists():
        raise LastOwner


def _membership(room_id: UUID, user_id: UUID) -> models.Membership | None:
    return (
        models.Membership.objects.select_related("user")
        .filter(room_id=room_id, user_id=user_id, left_seq__isnull=True)
        .first()
    )


def _member(access: Access, member_id: UUID) -> models.Membership:
    membership = _membership(access.room.id, member_id)
    if membership is None:
        raise NotFound("There is no such member.", field="user")
    return membership


def _lower_member(access: Access, member_id: UUID) -> models.Membership:
    membership = _member(access, member_id)
    if membership.role >= access.membership.role:
        raise Forbidden("Their role is not lower than yours.")
    return membership


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    if not _RFC_3339.fullmatch(text):
        raise Invalid("Not an RFC 3339 time, with its offset or Z.", field="muted_until")
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Invalid("Not an RFC 3339 time.", field="muted_until") from None
