"""`manage.py clear_sessions`: delete the sessions that have expired. For a daily timer."""

from typing import Any

from django.core.management.base import BaseCommand

from accounts.sessions import SessionStore


class Command(BaseCommand):
    help = "Delete expired sessions. They are refused anyhow; this frees their rows."

    def handle(self, *args: Any, **options: Any) -> None:
        SessionStore.clear_expired()
        self.stdout.write("expired sessions are deleted")
