"""Every page is bounded by `page_max_bytes`, and paging on from it leaves nothing out."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec
import pytest
from django.conf import settings

from accounts.models import User
from accounts.selectors import list_users
from messaging.selectors.my_rooms import list_my_rooms
from rooms import services
from rooms.models import Room
from rooms.schema import NewMember
from rooms.selectors import list_members, list_public_rooms
from tests.people import Person
from tests.services.rooms import make_public_room, make_room, say

pytestmark = pytest.mark.django_db

DATA = {"x": "y" * 4_000}
COUNT = 40  # of which about 15 are within the bound
MAX_BYTES = settings.ROOMLOG_LIMITS.page_max_bytes

List = Callable[..., Any]


def users(alice: Person) -> tuple[List, str]:
    """Users with large profiles."""
    for number in range(COUNT - 1):
        User.objects.create_user(f"user{number:02}")
    User.objects.update(data=DATA)
    return (lambda **page: list_users(search="", **page)), "username"


def members(alice: Person) -> tuple[List, str]:
    room = make_room(alice)
    for number in range(COUNT - 1):
        user = User.objects.create_user(f"user{number:02}", data=DATA)
        services.add_member(user_id=alice.id, room_id=room, new=NewMember(user=user.id))
    return (lambda **page: list_members(user_id=alice.id, room_id=room, **page)), "user.id"


def public_rooms(alice: Person) -> tuple[List, str]:
    for _ in range(COUNT):
        make_public_room(alice)
    Room.objects.update(data=DATA)
    return (lambda **page: list_public_rooms(search="", **page)), "id"


def my_rooms(alice: Person) -> tuple[List, str]:
    """Rooms that are large because of their last messages."""
    for _ in range(COUNT):
        say(alice, make_room(alice), "y" * 4_000)
    return (lambda **page: list_my_rooms(user_id=alice.id, **page)), "id"


def key_of(result: Any, path: str) -> Any:
    for name in path.split("."):
        result = getattr(result, name)
    return result


PAGES = [users, members, public_rooms, my_rooms]


@pytest.mark.parametrize("make", PAGES, ids=lambda make: make.__name__)
def test_it_works(alice: Person, make: Callable[[Person], tuple[List, str]]) -> None:
    list_page, path = make(alice)

    page = list_page(before=None, after=None, limit=100)

    assert 1 < len(page.results) < COUNT
    assert len(msgspec.json.encode(page.results)) <= MAX_BYTES + 2 * COUNT  # brackets and commas are not counted
    assert (page.has_before, page.has_after) == (False, True)

    keys = [key_of(each, path) for each in page.results]
    while page.has_after:
        page = list_page(before=None, after=keys[-1], limit=100)
        keys += [key_of(each, path) for each in page.results]
    assert len(keys) == len(set(keys)) == COUNT

    backwards: list[Any] = []
    while page.has_before:
        page = list_page(before=backwards[0] if backwards else keys[-1], after=None, limit=100)
        backwards = [key_of(each, path) for each in page.results] + backwards
        assert page.has_after
    assert backwards == keys[:-1]


def test_an_item_that_is_larger_than_the_bound_comes_alone(alice: Person, bob: Person, settings: Any) -> None:
    settings.ROOMLOG_LIMITS = msgspec.structs.replace(settings.ROOMLOG_LIMITS, page_max_bytes=10)

    first = list_users(search="", before=None, after=None, limit=100)
    assert [user.username for user in first.results] == ["alice"]
    assert (first.has_before, first.has_after) == (False, True)

    last = list_users(search="", before="zed", after=None, limit=100)
    assert [user.username for user in last.results] == ["bob"]
    assert (last.has_before, last.has_after) == (True, True)


def test_an_empty_page_says_so(alice: Person) -> None:
    assert list_public_rooms(search="none", before=None, after=UUID(int=0), limit=100).results == []
