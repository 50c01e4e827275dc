"""The service `update_member`: roles and mutes."""

from uuid import UUID, uuid4

import pytest

from foundation.errors import DomainError, Forbidden, Invalid, NotFound
from rooms import services
from rooms.errors import LastOwner, NotAMember
from rooms.permissions import Role
from rooms.schema import Member, MemberPatch, RoleName
from tests.people import Person
from tests.services.rooms import Ear, add, log_of, membership_of, set_role, together

pytestmark = pytest.mark.django_db

UNTIL = "2999-01-01T00:00:00.000Z"


def update(by: Person, room: UUID, member: Person, patch: MemberPatch) -> Member:
    return services.update_member(user_id=by.id, room_id=room, member_id=member.id, patch=patch)


def test_it_works(alice: Person, bob: Person, room: UUID, ear: Ear) -> None:
    member = update(alice, room, bob, MemberPatch(role="moderator", muted_until=UNTIL))

    assert (member.user.id, member.role, member.muted_until, member.joined_seq) == (bob.id, "moderator", UNTIL, 2)
    assert log_of(room)[2:] == ["member.updated"]
    (event,) = ear.heard(room)
    assert (event.seq, event.event, event.actor, event.evicts) == (3, "member.updated", alice.id, None)
    assert (event.data["member"]["role"], event.data["member"]["muted_until"]) == ("moderator", UNTIL)
    assert (event.data["member"]["user"]["username"], event.data["by"]["username"]) == ("bob", "alice")
    assert len(ear.notices) == 1


@pytest.mark.parametrize("patch", [MemberPatch(role="member"), MemberPatch(muted_until=None)])
def test_it_writes_no_entry_if_nothing_changes(
    alice: Person, bob: Person, room: UUID, patch: MemberPatch, ear: Ear
) -> None:
    assert update(alice, room, bob, patch).role == "member"

    assert ear.notices == []
    assert log_of(room)[2:] == []


def test_it_refuses_an_empty_patch(alice: Person, bob: Person, room: UUID) -> None:
    with pytest.raises(Invalid):
        update(alice, room, bob, MemberPatch())


def test_it_refuses_to_change_a_user_who_is_not_a_member(alice: Person, charlie: Person, room: UUID, ear: Ear) -> None:
    for patch in (MemberPatch(role="admin"), MemberPatch(muted_until=UNTIL)):
        with pytest.raises(NotFound) as refusal:
            update(alice, room, charlie, patch)
        assert refusal.value.field == "user"

    assert ear.notices == []


def test_it_refuses_a_non_member(charlie: Person, alice: Person, room: UUID, public_room: UUID, ear: Ear) -> None:
    cases: list[tuple[UUID, type[DomainError]]] = [(room, NotFound), (public_room, NotAMember), (uuid4(), NotFound)]
    for room_id, refusal in cases:
        with pytest.raises(refusal):
            update(charlie, room_id, alice, MemberPatch(role="member"))

    assert ear.notices == []


# -- roles --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["admin", "moderator", "member"])
@pytest.mark.parametrize("theirs", [Role.ADMIN, Role.MODERATOR, Role.MEMBER])
@pytest.mark.parametrize("mine", list(Role))
def test_it_lets_an_admin_and_above_give_lower_roles_to_lower_members(
    alice: Person, bob: Person, charlie: Person, room: UUID, mine: Role, theirs: Role, given: RoleName
) -> None:
    add(alice, room, charlie)
    set_role(bob, room, mine)
    set_role(charlie, room, theirs)
    is_allowed = mine >= Role.ADMIN and theirs < mine and Role[given.upper()] < mine

    if is_allowed:
        assert update(bob, room, charlie, MemberPatch(role=given)).role == given
    else:
        with pytest.raises(Forbidden):
            update(bob, room, charlie, MemberPatch(role=given))

    assert membership_of(charlie, room).role == (Role[given.upper()] if is_allowed else theirs)
    assert log_of(room)[3:] == (["member.updated"] if is_allowed and Role[given.upper()] != theirs else [])


@pytest.mark.parametrize("theirs", [Role.MEMBER, Role.MODERATOR, Role.ADMIN])
def test_it_refuses_to_let_members_promote_themselves(bob: Person, room: UUID, theirs: Role, ear: Ear) -> None:
    set_role(bob, room, theirs)

    for role in ("owner", "admin", "moderator"):
        with pytest.raises(Forbidden):
            update(bob, room, bob, MemberPatch(role=role))

    assert ear.notices == []


@pytest.mark.parametrize("mine", [Role.MEMBER, Role.MODERATOR, Role.ADMIN])
def test_it_refuses_changes_to_an_owner_by_lower_roles(
    alice: Person, bob: Person, room: UUID, mine: Role, ear: Ear
) -> None:
    set_role(bob, room, mine)

    for patch in (MemberPatch(role="member"), MemberPatch(role="owner"), MemberPatch(muted_until=UNTIL)):
        with pytest.raises(Forbidden):
            update(bob, room, alice, patch)

    assert ear.notices == []


def test_it_hands_over_the_ownership(alice: Person, bob: Person, room: UUID, ear: Ear) -> None:
    assert update(alice, room, bob, MemberPatch(role="owner")).role == "owner"
    assert update(alice, room, alice, MemberPatch(role="member")).role == "member"

    assert ear.changes(room) == [(3, "member.updated"), (4, "member.updated")]
    assert (membership_of(alice, room).role, membership_of(bob, room).role) == (Role.MEMBER, Role.OWNER)


@pytest.mark.parametrize("role", ["admin", "moderator", "member"])
def test_it_refuses_to_demote_the_last_owner(alice: Person, bob: Person, room: UUID, role: RoleName, ear: Ear) -> None:
    with pytest.raises(LastOwner):
        update(alice, room, alice, MemberPatch(role=role))

    assert ear.notices == []
    assert membership_of(alice, room).role == Role.OWNER


def test_it_does_not_count_a_former_owner(alice: Person, bob: Person, room: UUID) -> None:
    set_role(bob, room, Role.OWNER)
    services.leave_room(user_id=bob.id, room_id=room)

    with pytest.raises(LastOwner):
        update(alice, room, alice, MemberPatch(role="member"))


@pytest.mark.django_db(transaction=True)
def test_it_keeps_one_of_two_owners_who_step_down_concurrently(
    alice: Person, bob: Person, room: UUID, ear: Ear
) -> None:
    set_role(bob, room, Role.OWNER)

    answers = together(
        lambda: update(alice, room, alice, MemberPatch(role="member")),
        lambda: update(bob, room, bob, MemberPatch(role="member")),
    )

    assert [type(answer) for answer in answers if isinstance(answer, DomainError)] == [LastOwner]
    assert ear.changes(room) == [(3, "member.updated")]


# -- mutes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("theirs", list(Role))
@pytest.mark.parametrize("mine", list(Role))
def test_it_lets_a_moderator_and_above_mute_lower_members(
    alice: Person, bob: Person, charlie: Person, room: UUID, mine: Role, theirs: Role
) -> None:
    add(alice, room, charlie)
    set_role(bob, room, mine)
    set_role(charlie, room, theirs)
    is_allowed = mine >= Role.MODERATOR and theirs < mine

    if is_allowed:
        assert update(bob, room, charlie, MemberPatch(muted_until=UNTIL)).muted_until == UNTIL
    else:
        with pytest.raises(Forbidden):
            update(bob, room, charlie, MemberPatch(muted_until=UNTIL))

    assert log_of(room)[3:] == (["member.updated"] if is_allowed else [])


def test_it_refuses_to_mute_an_owner_together_with_the_role_they_have(
    alice: Person, bob: Person, room: UUID, ear: Ear
) -> None:
    set_role(bob, room, Role.OWNER)

    with pytest.raises(Forbidden):
        update(alice, room, bob, MemberPatch(role="owner", muted_until=UNTIL))

    assert ear.notices == []


def test_it_changes_both_the_role_and_the_mute_or_neither(
    alice: Person, bob: Person, charlie: Person, room: UUID
) -> None:
    add(alice, room, charlie)
    set_role(bob, room, Role.MODERATOR)

    with pytest.raises(Forbidden):
        update(bob, room, charlie, MemberPatch(role="moderator", muted_until=UNTIL))

    assert membership_of(charlie, room).muted_until is None


def test_it_ends_a_mute(alice: Person, bob: Person, room: UUID, ear: Ear) -> None:
    update(alice, room, bob, MemberPatch(muted_until=UNTIL))

    assert update(alice, room, bob, MemberPatch(muted_until=None)).muted_until is None
    assert ear.changes(room) == [(3, "member.updated"), (4, "member.updated")]


def test_it_lets_an_owner_end_any_mute(alice: Person, bob: Person, room: UUID) -> None:
    """Nobody ranks above a muted member who becomes an owner, so they may end the mute themselves."""
    update(alice, room, bob, MemberPatch(muted_until="2099-01-01T00:00:00Z"))
    update(alice, room, bob, MemberPatch(role="owner"))

    assert update(bob, room, bob, MemberPatch(muted_until=None)).muted_until is None


def test_it_writes_no_entry_if_the_mute_stays_the_same(alice: Person, bob: Person, room: UUID, ear: Ear) -> None:
    update(alice, room, bob, MemberPatch(muted_until=UNTIL))

    assert update(alice, room, bob, MemberPatch(muted_until="2999-01-01T02:00:00+02:00")).muted_until == UNTIL
    assert ear.changes(room) == [(3, "member.updated")]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2999-01-01T00:00:00Z", UNTIL),
        ("2999-01-01T05:30:00.000+05:30", UNTIL),
        ("2999-01-01T00:00:00.123Z", "2999-01-01T00:00:00.123Z"),
    ],
)
def test_it_accepts_times_with_an_offset(alice: Person, bob: Person, room: UUID, text: str, shown: str) -> None:
    assert update(alice, room, bob, MemberPatch(muted_until=text)).muted_until == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "2999-01-01",
        "2999-01-01T00:00:00",
        "2999-13-01T00:00:00Z",
        "0",
        "29990101T000000Z",
        "2999-W01-1T00:00:00Z",
    ],
)
def test_it_refuses_an_invalid_time(alice: Person, bob: Person, room: UUID, text: str, ear: Ear) -> None:
    with pytest.raises(Invalid) as refusal:
        update(alice, room, bob, MemberPatch(muted_until=text))

    assert refusal.value.field == "muted_until"
    assert ear.notices == []


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+01:00"])
def test_it_refuses_times_that_are_out_of_range_in_utc(alice: Person, bob: Person, room: UUID, text: str) -> None:
    with pytest.raises(Invalid) as refusal:
        update(alice, room, bob, MemberPatch(muted_until=text))

    assert refusal.value.field == "muted_until"
