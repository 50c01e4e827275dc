"""Joining, leaving, adding, removing, promoting, muting."""

import re
from datetime import UTC, datetime
from uuid import UUID

import msgspec
from django.db import transaction

from accounts import models as accounts
from foundation.errors import Conflict, Forbidden, Invalid, NotFound
from rooms import log, models
from rooms.access import Access, Permission, access_room, require_writable
from rooms.broadcast import broadcast
from rooms.errors import LastOwner, NotAMember
from rooms.models import Role
from rooms.notices import change_notice
from rooms.schema import Joined, Member, MemberDraft, MemberPatch
from rooms.selectors import get_joined, joined_of, member_of
from rooms.services.admission import admit, expel

# Python reads more of ISO 8601 than that.
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def join_room(*, user_id: UUID, room_id: UUID) -> Joined:
    """The user's membership, made now where a public room has none yet (`member.joined`).

    One query for a member; opens a transaction for one who is new. Raises `NotFound`, `Archived`.
    """
    try:
        return get_joined(user_id=user_id, room_id=room_id)
    except NotAMember:
        pass
    at = log.now()
    with transaction.atomic(durable=True):
        head = log.lock_head(room_id)
        try:
            return get_joined(user_id=user_id, room_id=room_id)
        except NotAMember:
            room = models.Room.objects.select_related("head").get(id=room_id)
        require_writable(room)
        user = accounts.User.objects.get(id=user_id)
        memberships, notices = admit(head, room, [user], by=user, role=Role.MEMBER, at=at)
        room.head.seq = head.seq
    broadcast(notices)
    return joined_of(memberships[0])


def leave_room(*, user_id: UUID, room_id: UUID) -> None:
    """End one's own membership (`member.left`). Opens a transaction.

    Raises `LastOwner`, and what `access_room` raises.
    """
    at = log.now()
    with transaction.atomic(durable=True):
        head = log.lock_head(room_id)
        membership = access_room(user_id=user_id, room_id=room_id).membership
        _keep_an_owner(membership)
        notices = expel(head, membership, kind="member.left", by=membership.user, at=at)
    broadcast(notices)


def add_member(*, user_id: UUID, room_id: UUID, draft: MemberDraft) -> tuple[Member, bool]:
    """Put an active user in the room (`member.joined`, and `room.added` to their sockets).

    Opens a transaction. Returns the member and whether they are new. Raises `Forbidden` for a role that is not
    the actor's to give, `Invalid` for no such user, `Conflict` for a member who has another role, `Archived`, and
    what `access_room` raises.
    """
    at, role = log.now(), Role[draft.role.upper()]
    with transaction.atomic(durable=True):
        head = log.lock_head(room_id)
        access = access_room(user_id=user_id, room_id=room_id, permission=Permission.ADD_MEMBERS)
        require_writable(access.room)
        _require_may_give(access, role)
        user = accounts.User.objects.filter(id=draft.user, is_active=True).first()
        if user is None:
            raise Invalid("There is no such user.", field="user")
        present = _membership(room_id, user.id)
        if present is not None:
            if present.role != role:
                raise Conflict("They are a member with another role: change it instead.", field="role")
            return member_of(present), False
        memberships, notices = admit(head, access.room, [user], by=access.membership.user, role=role, at=at)
    broadcast(notices)
    return member_of(memberships[0]), True


def remove_member(*, user_id: UUID, room_id: UUID, member_id: UUID) -> None:
    """End somebody's membership (`member.removed`): they follow up to that entry and no further.

    Opens a transaction. Raises `Forbidden` for one whose role is not lower, `NotFound` for no such member, and what
    `access_room` raises. Removing oneself is leaving.
    """
    if member_id == user_id:
        return leave_room(user_id=user_id, room_id=room_id)
    at = log.now()
    with transaction.atomic(durable=True):
        head = log.lock_head(room_id)
        access = access_room(user_id=user_id, room_id=room_id, permission=Permission.REMOVE_MEMBERS)
        membership = _lower_member(access, member_id)
        membership.room = access.room
        notices = expel(head, membership, kind="member.removed", by=access.membership.user, at=at)
    return broadcast(notices)


def update_member(*, user_id: UUID, room_id: UUID, member_id: UUID, patch: MemberPatch) -> Member:
    """Change a member's role or mute them (`member.updated`, where anything changed).

    Opens a transaction. Raises `Forbidden`, `LastOwner`, `NotFound`, `Invalid`, and what `access_room` raises.
    """
    at = log.now()
    with transaction.atomic(durable=True):
        head = log.lock_head(room_id)
        access = access_room(user_id=user_id, room_id=room_id)
        changes: dict[str, object] = {}
        membership = None
        if patch.role is not msgspec.UNSET:
            membership = _change_role(access, member_id, Role[patch.role.upper()])
            changes["role"] = Role[patch.role.upper()]
        if patch.muted_until is not msgspec.UNSET:
            access.require(Permission.MUTE_MEMBERS)
            is_lifted_by_owner = patch.muted_until is None and access.membership.role == Role.OWNER
            muted = _member(access, member_id) if is_lifted_by_owner else _lower_member(access, member_id)
            membership = membership or muted
            changes["muted_until"] = _moment(patch.muted_until)
        if membership is None:
            raise Invalid("Nothing to change: give `role` or `muted_until`.")
        changes = {name: value for name, value in changes.items() if getattr(membership, name) != value}
        if not changes:
            return member_of(membership)
        for name, value in changes.items():
            setattr(membership, name, value)
        membership.save(update_fields=list(changes))
        draft = log.EntryDraft("member.updated", actor_id=user_id, user_id=member_id)
        entry = log.append_entries(head, [draft], at=at)[0]
    broadcast([change_notice(entry, membership, by=access.membership.user)])
    return member_of(membership)


def _change_role(access: Access, member_id: UUID, role: Role) -> models.Membership:
    """The membership of which `role` may be made. An owner may hand over, and step down once another is there."""
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
