"""The service `update_user`."""

from uuid import uuid4

import pytest
from pytest_django import Settings

from accounts import services
from accounts.models import User
from accounts.schema import UserPatch
from foundation.errors import NotFound
from tests.people import Person

pytestmark = pytest.mark.django_db


def test_it_works(alice: Person) -> None:
    patch = UserPatch(display_name="Alice A.", avatar_url="https://example.org/a.png", data={"n": 1})

    user = services.update_user(user_id=alice.id, patch=patch)

    assert (user.id, user.username, user.bot) == (alice.id, "alice", False)
    assert (user.display_name, user.avatar_url, user.data) == ("Alice A.", "https://example.org/a.png", {"n": 1})
    assert User.objects.get(id=alice.id).display_name == "Alice A."


def test_it_keeps_fields_that_are_not_given(alice: Person) -> None:
    services.update_user(user_id=alice.id, patch=UserPatch(display_name="Alice A."))

    assert services.update_user(user_id=alice.id, patch=UserPatch(data={"n": 1})).display_name == "Alice A."
    assert services.update_user(user_id=alice.id, patch=UserPatch()).data == {"n": 1}


def test_it_falls_back_to_the_username(alice: Person) -> None:
    assert services.update_user(user_id=alice.id, patch=UserPatch(display_name="")).display_name == "alice"


def test_it_leaves_sessions_and_other_users_alone(alice: Person, bob: Person) -> None:
    services.update_user(user_id=alice.id, patch=UserPatch(display_name="Alice A."))

    assert alice.principal.user.display_name == "Alice A."
    assert bob.principal.user.display_name == "bob"


def test_it_sets_who_may_add_the_user_to_rooms(alice: Person, settings: Settings) -> None:
    settings.ROOMLOG_DEFAULT_ADDED_BY = "shares_a_room"
    assert services.update_user(user_id=alice.id, patch=UserPatch()).added_by == "shares_a_room"

    assert services.update_user(user_id=alice.id, patch=UserPatch(added_by="invitation")).added_by == "invitation"
    assert services.update_user(user_id=alice.id, patch=UserPatch(data={})).added_by == "invitation"
    assert services.update_user(user_id=alice.id, patch=UserPatch(added_by=None)).added_by == "shares_a_room"


@pytest.mark.parametrize("is_there", [True, False])
def test_it_refuses_a_user_who_is_inactive_or_unknown(alice: Person, is_there: bool) -> None:
    User.objects.filter(id=alice.id).update(is_active=False)

    with pytest.raises(NotFound):
        services.update_user(user_id=alice.id if is_there else uuid4(), patch=UserPatch(display_name="New"))

    assert User.objects.get(id=alice.id).display_name == ""
