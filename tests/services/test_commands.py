"""The management commands."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from accounts.models import Session, User
from rooms.selectors import get_epoch
from tests.engine import only_on
from tests.people import Person
from tests.servers import database_url

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


@pytest.fixture
def empty_database() -> Iterator[str]:
    """The URL of a PostgreSQL database without tables."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE roomlog_empty")
        yield database_url().replace(f"/{connection.settings_dict['NAME']}", "/roomlog_empty", 1)
        cursor.execute("DROP DATABASE roomlog_empty WITH (FORCE)")


@only_on("postgresql")
@pytest.mark.django_db(transaction=True)
def test_processes_that_migrate_at_once_take_turns(empty_database: str) -> None:
    environment = os.environ | {"DATABASE_URL": empty_database}
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    running = [subprocess.Popen(command, cwd=settings.BASE_DIR, env=environment) for _ in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]


@only_on("postgresql")
@pytest.mark.django_db(transaction=True)
def test_statements_are_limited_again_after_a_migration() -> None:
    call_command("migrate", verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() != ("0",)
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("2s",)
