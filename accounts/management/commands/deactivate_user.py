"""`manage.py deactivate_user NAME`: put a user out; with --undo let them in again."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.errors import NotFound
from accounts.services import set_active


class Command(BaseCommand):
    help = "Deactivate a user: sockets are closed within the sweep's interval and a half, tokens are refused at once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--undo", action="store_true", help="let the user in again")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            set_active(username=options["username"], active=options["undo"])
        except NotFound as error:
            raise CommandError(error.detail) from None
        self.stdout.write(f"{options['username']} is {'active' if options['undo'] else 'inactive'}")
