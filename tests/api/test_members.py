"""rooms/{room}/members/ and rooms/{room}/members/{user}/"""

from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from pytest_django import Settings

from tests.api.rest import Rest, refusal
from tests.people import Person
from tests.services.rooms import archive

pytestmark = pytest.mark.django_db

UNTIL = "2999-01-01T00:00:00.000Z"


def test_it_works(alice: Person, bob: Person, room: UUID) -> None:
    answer = Rest(bob).get(f"rooms/{room}/members/")

    assert answer.status == 200
    assert answer.body == {
        "results": [
            {
                "user": Rest(bob).get(f"users/{person.id}/").body,
                "role": role,
                "joined_seq": seq,
                "read_id": 0,
                "muted_until": None,
                "notify": "all",
            }
            for person, role, seq in ((alice, "owner", 1), (bob, "member", 2))
        ],
        "has_before": False,
        "has_after": False,
    }


def test_it_pages(alice: Person, bob: Person, room: UUID) -> None:
    def ids(query: str) -> list[str]:
        return [member["user"]["id"] for member in Rest(alice).get(f"rooms/{room}/members/?{query}").body["results"]]

    assert ids("limit=1") == ids(f"before={bob.id}") == [str(alice.id)]
    assert ids(f"after={alice.id}") == [str(bob.id)]


def test_it_adds_a_member(alice: Person, charlie: Person, room: UUID) -> None:
    draft = {"user": str(charlie.id), "role": "moderator"}

    answer = Rest(alice).post(f"rooms/{room}/members/", draft)

    assert answer.status == 201
    assert (answer.body["user"]["username"], answer.body["role"], answer.body["joined_seq"]) == (
        "charlie", "moderator", 3,
    )  # fmt: skip
    assert Rest(charlie).get(f"rooms/{room}/members/{charlie.id}/").body == answer.body
    again = Rest(alice).post(f"rooms/{room}/members/", draft)
    assert (again.status, again.body) == (200, answer.body)
    assert refusal(Rest(alice).post(f"rooms/{room}/members/", draft | {"role": "member"})) == (409, "conflict", "role")


@pytest.mark.parametrize(
    ("draft", "field"),
    [
        ({}, "user"),
        ({"user": "nobody"}, "user"),
        ({"user": str(uuid4())}, "user"),
        ({"user": str(uuid4()), "role": "king"}, "role"),
        ({"user": str(uuid4()), "mute": True}, "mute"),
    ],
)
def test_it_refuses_an_invalid_member(alice: Person, room: UUID, draft: dict[str, Any], field: str) -> None:
    assert refusal(Rest(alice).post(f"rooms/{room}/members/", draft)) == (400, "invalid", field)


def test_it_requires_the_role(alice: Person, bob: Person, charlie: Person, room: UUID) -> None:
    rest, member = Rest(bob), f"rooms/{room}/members/{alice.id}/"

    assert refusal(rest.post(f"rooms/{room}/members/", {"user": str(charlie.id)})) == (403, "forbidden", None)
    assert refusal(rest.patch(member, {"role": "member"})) == (403, "forbidden", None)
    assert refusal(rest.patch(member, {"muted_until": UNTIL})) == (403, "forbidden", None)
    assert refusal(rest.delete(member)) == (403, "forbidden", None)


def test_it_refuses_to_add_a_member_to_an_archived_room(alice: Person, charlie: Person, room: UUID) -> None:
    archive(alice, room)

    answer = Rest(alice).post(f"rooms/{room}/members/", {"user": str(charlie.id)})

    assert refusal(answer) == (403, "archived", None)


def test_it_asks_whom_it_adds(alice: Person, bob: Person, charlie: Person, room: UUID) -> None:
    draft = {"user": str(charlie.id)}
    Rest(charlie).patch("users/me/", {"added_by": "invitation"})
    assert refusal(Rest(alice).post(f"rooms/{room}/members/", draft)) == (403, "forbidden", "user")
    Rest(charlie).patch("users/me/", {"added_by": "anyone"})
    assert Rest(alice).post(f"rooms/{room}/members/", draft).status == 201

    assert Rest(charlie).post(f"rooms/{room}/leave/").status == 204

    assert refusal(Rest(alice).post(f"rooms/{room}/members/", draft)) == (403, "forbidden", "user")


def test_it_refuses_one_member_too_many(alice: Person, charlie: Person, room: UUID, settings: Settings) -> None:
    settings.ROOMLOG_LIMITS = msgspec.structs.replace(settings.ROOMLOG_LIMITS, max_room_members=2, max_rooms_owned=1)

    answer = Rest(alice).post(f"rooms/{room}/members/", {"user": str(charlie.id)})

    assert refusal(answer) == (409, "limit_reached", "user")
    assert refusal(Rest(alice).post("rooms/", {"name": "Tea", "kind": "public"})) == (409, "limit_reached", None)


def test_it_returns_one_member(alice: Person, bob: Person, charlie: Person, room: UUID) -> None:
    answer = Rest(bob).get(f"rooms/{room}/members/{alice.id}/")

    assert (answer.status, answer.body["role"]) == (200, "owner")
    for member_id in (charlie.id, uuid4()):
        assert refusal(Rest(bob).get(f"rooms/{room}/members/{member_id}/")) == (404, "not_found", "user")


def test_it_changes_the_role_and_the_mute(alice: Person, bob: Person, room: UUID) -> None:
    path = f"rooms/{room}/members/{bob.id}/"

    answer = Rest(alice).patch(path, {"role": "admin", "muted_until": UNTIL})

    assert (answer.status, answer.body["role"], answer.body["muted_until"]) == (200, "admin", UNTIL)
    assert Rest(bob).get(path).body == answer.body
    assert Rest(alice).patch(path, {"muted_until": None}).body["muted_until"] is None


@pytest.mark.parametrize(
    ("patch", "field"),
    [
        ({}, None),
        ({"role": None}, "role"),
        ({"role": "OWNER"}, "role"),
        ({"muted_until": 1}, "muted_until"),
        ({"muted_until": "soon"}, "muted_until"),
        ({"muted_until": "2999-01-01T00:00:00"}, "muted_until"),
        ({"read_id": 5}, "read_id"),
    ],
)
def test_it_refuses_an_invalid_patch(
    alice: Person, bob: Person, room: UUID, patch: dict[str, Any], field: str | None
) -> None:
    assert refusal(Rest(alice).patch(f"rooms/{room}/members/{bob.id}/", patch)) == (400, "invalid", field)


def test_it_refuses_to_demote_or_remove_the_last_owner(alice: Person, room: UUID) -> None:
    path = f"rooms/{room}/members/{alice.id}/"

    assert refusal(Rest(alice).patch(path, {"role": "member"})) == (409, "last_owner", None)
    assert refusal(Rest(alice).delete(path)) == (409, "last_owner", None)


def test_it_removes_a_member(alice: Person, bob: Person, room: UUID) -> None:
    path = f"rooms/{room}/members/{bob.id}/"

    answer = Rest(alice).delete(path)

    assert (answer.status, answer.body) == (204, None)
    assert refusal(Rest(alice).delete(path)) == (404, "not_found", "user")
    assert refusal(Rest(bob).get(path)) == (404, "not_found", None)


def test_it_lets_a_member_remove_themselves(bob: Person, room: UUID) -> None:
    assert Rest(bob).delete(f"rooms/{room}/members/{bob.id}/").status == 204


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("PATCH", {"role": "member"}), ("DELETE", None)])
def test_it_hides_private_rooms_but_not_public_ones_from_a_non_member(
    alice: Person, charlie: Person, room: UUID, public_room: UUID, method: str, body: object
) -> None:
    rest, member = Rest(charlie), f"members/{alice.id}/"

    assert refusal(rest.ask(method, f"rooms/{public_room}/{member}", body)) == (403, "not_a_member", None)
    for room_id in (room, uuid4()):
        assert refusal(rest.ask(method, f"rooms/{room_id}/{member}", body)) == (404, "not_found", None)


def test_it_refuses_to_list_or_add_members_for_a_non_member(
    alice: Person, charlie: Person, room: UUID, public_room: UUID
) -> None:
    for method, body in (("GET", None), ("POST", {"user": str(alice.id)})):
        rest = Rest(charlie)
        assert refusal(rest.ask(method, f"rooms/{room}/members/", body)) == (404, "not_found", None)
        assert refusal(rest.ask(method, f"rooms/{public_room}/members/", body)) == (403, "not_a_member", None)
