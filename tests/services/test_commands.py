"""The management commands."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import Session, User
from rooms.selectors import get_epoch
from tests.people import Person

pytestmark = pytest.mark.django_db


def test_it_deletes_expired_sessions(alice: Person, bob: Person) -> None:
    Session.objects.filter(user_id=alice.id).update(expire_date=timezone.now() - timedelta(seconds=1))
    call_command("clear_sessions", stdout=StringIO())
    assert [session.user_id for session in Session.objects.all()] == [bob.id]


def test_it_changes_the_epoch() -> None:
    before = get_epoch()
    out = StringIO()
    call_command("new_epoch", stdout=out)
    assert get_epoch() != before
    assert str(get_epoch()) in out.getvalue()


def test_it_deactivates_and_activates_a_user(bob: Person) -> None:
    call_command("deactivate_user", "bob", stdout=StringIO())
    assert not User.objects.get(id=bob.id).is_active
    call_command("deactivate_user", "bob", "--undo", stdout=StringIO())
    assert User.objects.get(id=bob.id).is_active


def test_it_refuses_to_deactivate_an_unknown_user() -> None:
    with pytest.raises(CommandError, match="no such user"):
        call_command("deactivate_user", "nobody")
