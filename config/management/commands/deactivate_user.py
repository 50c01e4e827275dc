"""`manage.py deactivate_user NAME`: deactivate a user, or with --undo activate them again."""

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
from rooms.notices import SessionsChanged


class Command(BaseCommand):
    help = "Deactivate a user. Their tokens are refused at once, and their sockets are closed within 1.5 s."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--undo", action="store_true", help="activate the user again")

    def handle(self, *args: Any, **options: Any) -> None:
        revocation.add_listener(_notify_servers)
        try:
            set_active(username=options["username"], active=options["undo"])
        except NotFound as error:
            raise CommandError(error.detail) from None
        finally:
            revocation.remove_listener(_notify_servers)
        self.stdout.write(f"{options['username']} is {'active' if options['undo'] else 'inactive'}")


def _notify_servers(user_id: UUID) -> None:
    """Publishes the change to the running servers. Without a channel layer, or if it fails, their sweep finds it."""
    if settings.REDIS_URLS:
        async_to_sync(publish_one)(
            get_channel_layer(), SessionsChanged(user_id=user_id), limits=settings.ROOMLOG_LIMITS
        )
