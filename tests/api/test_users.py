"""users/, users/me/, users/{id}/"""

from uuid import UUID, uuid4

import pytest

from accounts.models import User
from tests.api.rest import Rest, refusal
from tests.people import Person

pytestmark = pytest.mark.django_db


def test_it_works(alice: Person, bob: Person) -> None:
    answer = Rest(alice).get("users/")

    assert answer.status == 200
    assert answer.body == {
        "results": [
            {"id": str(person.id), "username": name, "display_name": name, "avatar_url": "", "bot": False, "data": {}}
            for person, name in ((alice, "alice"), (bob, "bob"))
        ],
        "has_before": False,
        "has_after": False,
    }


def test_it_searches(alice: Person, bob: Person) -> None:
    assert [user["username"] for user in Rest(alice).get("users/?search=BO").body["results"]] == ["bob"]


def test_it_pages_by_username(alice: Person, bob: Person, charlie: Person) -> None:
    def names(query: str) -> list[str]:
        return [user["username"] for user in Rest(alice).get(f"users/?{query}").body["results"]]

    assert names("limit=1") == ["alice"]
    assert names("after=alice&limit=1") == ["bob"]
    assert names("before=charlie&limit=1") == ["bob"]
    assert refusal(Rest(alice).get("users/?before=a&after=b")) == (400, "invalid", "before")
    assert refusal(Rest(alice).get("users/?after=%00")) == (400, "invalid", "after")


def test_it_shows_your_own_profile(alice: Person) -> None:
    answer = Rest(alice).get("users/me/")

    assert (answer.status, answer.body["id"]) == (200, str(alice.id))


def test_it_changes_your_own_profile(alice: Person) -> None:
    change = {"display_name": "Alice A.", "avatar_url": "https://example.org/a.png", "data": {"n": 1}}

    answer = Rest(alice).patch("users/me/", change)

    assert answer.status == 200
    assert answer.body == {"id": str(alice.id), "username": "alice", "bot": False, "added_by": "anyone"} | change
    assert Rest(alice).get("users/me/").body == answer.body
    assert Rest(alice).patch("users/me/", {}).body == answer.body


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"username": "root"}, "username"),
        ({"bot": True}, "bot"),
        ({"is_active": False}, "is_active"),
        ({"auth_version": 5}, "auth_version"),
        ({"display_name": None}, "display_name"),
        ({"display_name": "x" * 101}, "display_name"),
        ({"display_name": "\u202eecila"}, "display_name"),
        ({"display_name": "Alice\n"}, "display_name"),
        ({"avatar_url": "ftp://example.org"}, "avatar_url"),
        ({"avatar_url": "https://example.org/\n"}, "avatar_url"),
        ({"avatar_url": "https://example.org/" + "x" * 2048}, "avatar_url"),
        ({"data": None}, "data"),
        ({"added_by": "friends"}, "added_by"),
        ({"added_by": ""}, "added_by"),
    ],
)
def test_it_refuses_an_invalid_change(alice: Person, change: dict[str, object], field: str) -> None:
    before = Rest(alice).get("users/me/").body

    assert refusal(Rest(alice).patch("users/me/", change)) == (400, "invalid", field)
    assert Rest(alice).get("users/me/").body == before


def test_it_shows_your_settings_only_to_yourself(alice: Person, bob: Person, room: UUID) -> None:
    answer = Rest(alice).patch("users/me/", {"added_by": "shares_a_room"})

    assert (answer.status, answer.body["added_by"]) == (200, "shares_a_room")
    assert Rest(alice).get("users/me/").body == answer.body
    public = {key: value for key, value in answer.body.items() if key != "added_by"}
    assert Rest(bob).get(f"users/{alice.id}/").body == public
    assert Rest(alice).get(f"users/{alice.id}/").body == public
    assert Rest(alice).get("users/").body["results"][0] == public
    assert Rest(alice).get(f"rooms/{room}/members/{alice.id}/").body["user"] == public
    assert Rest(alice).patch("users/me/", {"added_by": None}).body["added_by"] == "anyone"


def test_it_shows_another_user(alice: Person, bob: Person) -> None:
    answer = Rest(alice).get(f"users/{bob.id}/")

    assert (answer.status, answer.body["username"]) == (200, "bob")


def test_it_does_not_show_an_inactive_or_unknown_user(alice: Person, bob: Person) -> None:
    User.objects.filter(id=bob.id).update(is_active=False)

    for user_id in (bob.id, uuid4()):
        assert refusal(Rest(alice).get(f"users/{user_id}/")) == (404, "not_found", None)
    assert refusal(Rest(alice).get("users/99999999999999999999999/")) == (404, "not_found", None)
