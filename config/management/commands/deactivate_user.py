"""`manage.py deactivate_user NAME`: put a user out; with --undo let them in again."""

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts import revocation
from accounts.services import set_active
from foundation.errors import NotFound
from messaging.fanout.relay import publish_one
from rooms.events import SessionsChanged


class Command(BaseCommand):
    help = "Deactivate a user: tokens are refused and sockets closed, at the latest with the next sweep."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--undo", action="store_true", help="let the user in again")

    def handle(self, *args: Any, **options: Any) -> None:
        revocation.add_listener(_tell_servers)
        try:
            set_active(username=options["username"], active=options["undo"])
        except NotFound as error:
            raise CommandError(error.detail) from None
        finally:
            revocation.remove_listener(_tell_servers)
        self.stdout.write(f"{options['username']} is {'active' if options['undo'] else 'inactive'}")


def _tell_servers(user_id: UUID) -> None:
    """The running servers hear of it at once, where there is a layer; else, or where it fails, from the sweep."""
    if settings.REDIS_URLS:
        async_to_sync(publish_one)(
            get_channel_layer(), SessionsChanged(user_id=user_id), limits=settings.ROOMLOG_LIMITS
        )
