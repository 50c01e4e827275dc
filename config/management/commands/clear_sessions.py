"""`manage.py clear_sessions`: delete expired sessions. Run it daily."""

from typing import Any

from django.core.management.base import BaseCommand

from accounts.sessions import SessionStore


class Command(BaseCommand):
    help = "Delete expired sessions. They are refused in any case; this frees their rows. Run it daily."

    def handle(self, *args: Any, **options: Any) -> None:
        SessionStore.clear_expired()
        self.stdout.write("deleted expired sessions")
