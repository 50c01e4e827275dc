"""The service `set_active`."""

from collections.abc import Iterator
from uuid import UUID

import pytest

from accounts import revocation, services
from accounts.models import User
from accounts.tokens import check_access_token
from foundation.errors import NotFound, Unauthenticated
from tests.people import Person

pytestmark = pytest.mark.django_db


@pytest.fixture
def announced() -> Iterator[list[UUID]]:
    """The users whose sessions were announced as changed."""
    users: list[UUID] = []
    revocation.add_listener(users.append)
    yield users
    revocation.remove_listener(users.append)


def test_it_works(alice: Person, bob: Person, announced: list[UUID]) -> None:
    services.set_active(username="Alice", active=False)

    assert announced == [alice.id]
    with pytest.raises(Unauthenticated):
        check_access_token(alice.token)
    assert check_access_token(bob.token)


def test_it_activates_a_user_again(alice: Person, announced: list[UUID]) -> None:
    services.set_active(username="alice", active=False)
    services.set_active(username="alice", active=True)

    user = User.objects.get(id=alice.id)
    assert (user.is_active, user.auth_version) == (True, 2)
    assert announced == [alice.id] * 2


def test_what_ended_with_a_deactivation_stays_ended(alice: Person) -> None:
    services.set_active(username="alice", active=False)
    services.set_active(username="alice", active=True)

    with pytest.raises(Unauthenticated):
        check_access_token(alice.token)


def test_it_does_nothing_if_the_user_is_active_already(alice: Person, announced: list[UUID]) -> None:
    services.set_active(username="alice", active=True)

    assert User.objects.get(id=alice.id).auth_version == 0
    assert announced == []


def test_it_refuses_an_unknown_user(alice: Person, announced: list[UUID]) -> None:
    with pytest.raises(NotFound):
        services.set_active(username="nobody", active=False)

    assert announced == []
