"""The selectors `list_users` and `get_user`."""

from uuid import uuid4

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from accounts.schema import UserPage
from accounts.selectors import get_user, list_users
from foundation.errors import NotFound
from tests.people import Person

pytestmark = pytest.mark.django_db


def page(search: str = "", *, before: str | None = None, after: str | None = None, limit: int = 50) -> UserPage:
    return list_users(search=search, before=before, after=after, limit=limit)


def names(page: UserPage) -> list[str]:
    return [user.username for user in page.results]


@pytest.fixture
def users(db: None) -> list[str]:
    """Five usernames in order. The users were created in reverse."""
    for name in ("eva", "dan", "cem", "ben", "ann"):
        User.objects.create_user(name)
    return ["ann", "ben", "cem", "dan", "eva"]


def test_it_works(users: list[str]) -> None:
    found = page()

    assert names(found) == users
    assert (found.has_before, found.has_after) == (False, False)
    assert found.results[0].display_name == "ann"


@pytest.mark.parametrize(
    ("search", "found"),
    [("an", ["ann"]), ("AN", ["ann"]), ("nn", []), ("a_b", ["a_b"]), ("%", []), ("_", []), ("a", ["a_b", "ann"])],
)
def test_it_searches_by_the_start_of_the_username(users: list[str], search: str, found: list[str]) -> None:
    User.objects.create_user("a_b")

    assert sorted(names(page(search))) == sorted(found)


def test_it_leaves_out_inactive_users(users: list[str]) -> None:
    User.objects.filter(username="ben").update(is_active=False)

    assert names(page()) == ["ann", "cem", "dan", "eva"]


def test_it_pages_in_both_directions(users: list[str]) -> None:
    first = page(limit=2)
    second = page(after="ben", limit=2)
    last = page(after="dan", limit=2)
    back = page(before="eva", limit=2)
    start = page(before="cem", limit=2)

    assert (names(first), first.has_before, first.has_after) == (["ann", "ben"], False, True)
    assert (names(second), second.has_before, second.has_after) == (["cem", "dan"], True, True)
    assert (names(last), last.has_before, last.has_after) == (["eva"], True, False)
    assert (names(back), back.has_before, back.has_after) == (["cem", "dan"], True, True)
    assert (names(start), start.has_before, start.has_after) == (["ann", "ben"], False, True)


def test_it_pages_from_names_that_do_not_exist(users: list[str]) -> None:
    assert names(page(after="bz")) == ["cem", "dan", "eva"]
    assert names(page(before="bz")) == ["ann", "ben"]


def test_it_takes_one_query(users: list[str], django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(1):
        page(after="ann", limit=2)


def test_it_gets_one_user(alice: Person) -> None:
    assert get_user(user_id=alice.id).username == "alice"


@pytest.mark.parametrize("is_there", [True, False])
def test_it_refuses_to_get_an_inactive_or_unknown_user(alice: Person, is_there: bool) -> None:
    User.objects.filter(id=alice.id).update(is_active=False)

    with pytest.raises(NotFound):
        get_user(user_id=alice.id if is_there else uuid4())
