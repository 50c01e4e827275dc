"""rooms/, rooms/public/ and rooms/{room}/"""

import re
from typing import Any
from uuid import UUID, uuid4

import pytest

from rooms import services
from rooms.schema import RoomPatch
from tests.api.rest import Rest, refusal
from tests.people import Person
from tests.services.rooms import archive, make_public_room, say

pytestmark = pytest.mark.django_db

ROOM_KEYS = [
    "id", "kind", "name", "topic", "avatar_url", "data", "member_count", "created_at", "archived_at", "slow_mode_s",
]  # fmt: skip
TIME = r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z"


def test_it_works(alice: Person, bob: Person) -> None:
    draft = {"name": "Tea", "kind": "private", "topic": "Leaves", "data": {"n": 1}, "members": [str(bob.id)]}

    answer = Rest(alice).post("rooms/", draft)

    room = answer.body
    assert answer.status == 201
    assert answer.headers["Location"] == f"/api/v1/rooms/{room['id']}/"
    assert list(room) == ROOM_KEYS
    assert room == {
        "id": room["id"], "kind": "private", "name": "Tea", "topic": "Leaves", "avatar_url": "", "data": {"n": 1},
        "member_count": 2, "created_at": room["created_at"], "archived_at": None, "slow_mode_s": 0,
    }  # fmt: skip
    assert Rest(bob).get(answer.headers["Location"]).body == room


def test_it_writes_times_in_utc_with_milliseconds(alice: Person, room: UUID) -> None:
    archive(alice, room)

    body = Rest(alice).get(f"rooms/{room}/").body

    assert re.match(TIME, body["created_at"])
    assert re.match(TIME, body["archived_at"])


def test_it_refuses_an_unknown_user_as_a_member(alice: Person) -> None:
    draft = {"name": "Tea", "kind": "private", "members": [str(uuid4())]}

    assert refusal(Rest(alice).post("rooms/", draft)) == (400, "invalid", "members[0]")
    assert Rest(alice).get("rooms/").body["results"] == []


def test_it_asks_whom_it_names_as_members(alice: Person, bob: Person, charlie: Person) -> None:
    draft = {"name": "Tea", "kind": "private", "members": [str(bob.id), str(charlie.id)]}
    Rest(charlie).patch("users/me/", {"added_by": "shares_a_room"})

    assert refusal(Rest(alice).post("rooms/", draft)) == (403, "forbidden", "members[1]")
    assert Rest(alice).get("rooms/").body["results"] == []


# -- the user's own rooms -----------------------------------------------------------------------------------------


def test_it_lists_the_users_own_rooms(
    alice: Person, bob: Person, charlie: Person, room: UUID, public_room: UUID
) -> None:
    say(alice, room, "one", "two")

    answer = Rest(bob).get("rooms/")

    assert answer.status == 200
    assert (answer.body["has_before"], answer.body["has_after"]) == (False, False)
    (mine,) = answer.body["results"]
    assert set(mine) == {*ROOM_KEYS, "membership", "head", "unread", "mentions", "last_message"}
    assert (mine["id"], mine["unread"], mine["mentions"]) == (str(room), 2, 0)
    assert {"seq": 4, "message_id": 2}.items() <= mine["head"].items()
    assert mine["membership"] == {
        "user": Rest(alice).get(f"users/{bob.id}/").body,
        "role": "member",
        "joined_seq": 2,
        "read_id": 0,
        "muted_until": None,
        "notify": "all",
    }
    assert mine["last_message"] == Rest(bob).get(f"rooms/{room}/messages/2/").body
    assert Rest(charlie).get("rooms/").body["results"] == []


def test_it_pages_through_the_users_own_rooms(alice: Person, room: UUID, public_room: UUID) -> None:
    def ids(query: str) -> list[str]:
        return [found["id"] for found in Rest(alice).get(f"rooms/?{query}").body["results"]]

    assert ids("limit=1") == ids(f"before={public_room}") == [str(room)]
    assert ids(f"after={room}") == [str(public_room)]
    assert Rest(alice).get("rooms/?limit=1").body["has_after"] is True


# -- public rooms -------------------------------------------------------------------------------------------------


def test_it_lists_public_rooms(alice: Person, charlie: Person, room: UUID, public_room: UUID) -> None:
    other = make_public_room(alice, "Tea house")

    answer = Rest(charlie).get("rooms/public/")

    assert answer.status == 200
    assert [found["id"] for found in answer.body["results"]] == [str(public_room), str(other)]
    assert list(answer.body["results"][0]) == ROOM_KEYS
    assert [found["name"] for found in Rest(charlie).get("rooms/public/?search=PLA").body["results"]] == ["Plaza"]
    assert Rest(charlie).get("rooms/public/?search=nothing").body["results"] == []


# -- one room -----------------------------------------------------------------------------------------------------


def test_it_returns_one_room(bob: Person, room: UUID) -> None:
    answer = Rest(bob).get(f"rooms/{room}/")

    assert (answer.status, answer.body["name"], list(answer.body)) == (200, "Tea", ROOM_KEYS)


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_it_hides_private_rooms_but_not_public_ones_from_a_non_member(
    charlie: Person, room: UUID, public_room: UUID, method: str
) -> None:
    rest = Rest(charlie)

    assert refusal(rest.ask(method, f"rooms/{public_room}/", {"name": "Mine"})) == (403, "not_a_member", None)
    hidden = rest.ask(method, f"rooms/{room}/", {"name": "Mine"})
    missing = rest.ask(method, f"rooms/{uuid4()}/", {"name": "Mine"})
    assert refusal(hidden) == refusal(missing) == (404, "not_found", None)
    assert hidden.body == missing.body


def test_it_changes_settings(alice: Person, bob: Person, room: UUID) -> None:
    answer = Rest(alice).patch(f"rooms/{room}/", {"name": "Coffee", "data": {"n": 1}})

    assert (answer.status, answer.body["name"], answer.body["data"]) == (200, "Coffee", {"n": 1})
    assert Rest(bob).get(f"rooms/{room}/").body == answer.body
    assert refusal(Rest(bob).patch(f"rooms/{room}/", {"name": "Mine"})) == (403, "forbidden", None)


def test_it_archives_and_restores_a_room(alice: Person, room: UUID) -> None:
    path = f"rooms/{room}/"

    assert Rest(alice).patch(path, {"archived": True}).body["archived_at"] is not None
    assert refusal(Rest(alice).patch(path, {"name": "Coffee"})) == (403, "archived", None)
    assert Rest(alice).get(path).status == 200
    assert Rest(alice).patch(path, {"archived": False}).body["archived_at"] is None


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kind": "public"}, "kind"),
        ({"archived": "yes"}, "archived"),
        ({"archived": None}, "archived"),
        ({"member_count": 9}, "member_count"),
        ({"name": "x\u202e"}, "name"),
        ({"topic": "x\n"}, "topic"),
    ],
)
def test_it_refuses_an_invalid_patch(alice: Person, room: UUID, change: dict[str, Any], field: str) -> None:
    assert refusal(Rest(alice).patch(f"rooms/{room}/", change)) == (400, "invalid", field)


# -- join, leave, read --------------------------------------------------------------------------------------------


def test_it_joins_a_public_room(alice: Person, charlie: Person, public_room: UUID) -> None:
    say(alice, public_room, "before")

    answer = Rest(charlie).post(f"rooms/{public_room}/join/")

    assert answer.status == 200
    assert answer.body["room"] == Rest(charlie).get(f"rooms/{public_room}/").body
    assert (answer.body["membership"]["joined_seq"], answer.body["unread"]) == (3, 0)
    assert {"seq": 3, "message_id": 1}.items() <= answer.body["head"].items()
    assert Rest(charlie).post(f"rooms/{public_room}/join/").body == answer.body


def test_it_refuses_to_join_a_private_or_missing_room(charlie: Person, room: UUID) -> None:
    for room_id in (room, uuid4()):
        assert refusal(Rest(charlie).post(f"rooms/{room_id}/join/")) == (404, "not_found", None)


def test_it_refuses_to_join_an_archived_room(alice: Person, charlie: Person, public_room: UUID) -> None:
    services.update_room(user_id=alice.id, room_id=public_room, patch=RoomPatch(archived=True))

    assert refusal(Rest(charlie).post(f"rooms/{public_room}/join/")) == (403, "archived", None)


def test_it_leaves_a_room(alice: Person, bob: Person, room: UUID) -> None:
    answer = Rest(bob).post(f"rooms/{room}/leave/")

    assert (answer.status, answer.body) == (204, None)
    assert refusal(Rest(bob).post(f"rooms/{room}/leave/")) == (404, "not_found", None)
    assert refusal(Rest(alice).post(f"rooms/{room}/leave/")) == (409, "last_owner", None)


def test_it_refuses_a_non_member_who_leaves(charlie: Person, room: UUID, public_room: UUID) -> None:
    assert refusal(Rest(charlie).post(f"rooms/{room}/leave/")) == (404, "not_found", None)
    assert refusal(Rest(charlie).post(f"rooms/{public_room}/leave/")) == (403, "not_a_member", None)


def test_it_moves_the_read_cursor(alice: Person, bob: Person, room: UUID) -> None:
    say(alice, room, "one", "two", "three")
    path = f"rooms/{room}/read/"

    answer = Rest(bob).put(path, {"id": 2})

    assert (answer.status, answer.body) == (200, {"read_id": 2, "unread": 1})
    assert Rest(bob).put(path, {"id": 1}).body == {"read_id": 2, "unread": 1}
    assert Rest(bob).put(path, {"id": 1, "unread": True}).body == {"read_id": 1, "unread": 2}


@pytest.mark.parametrize("message", [-1, 4, 2**53, 10**30, "1", None, 1.5, True])
def test_it_refuses_an_invalid_read_cursor(alice: Person, bob: Person, room: UUID, message: object) -> None:
    say(alice, room, "one", "two", "three")

    assert refusal(Rest(bob).put(f"rooms/{room}/read/", {"id": message})) == (400, "invalid", "id")
    assert Rest(bob).put(f"rooms/{room}/read/", {"id": 3}).status == 200


def test_it_refuses_a_non_member_who_reads(charlie: Person, room: UUID, public_room: UUID) -> None:
    assert refusal(Rest(charlie).put(f"rooms/{room}/read/", {"id": 0})) == (404, "not_found", None)
    assert refusal(Rest(charlie).put(f"rooms/{public_room}/read/", {"id": 0})) == (403, "not_a_member", None)
