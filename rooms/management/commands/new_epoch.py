"""`manage.py new_epoch`: gives the database a new epoch, so that clients resync."""

from typing import Any

from django.core.management.base import BaseCommand

from rooms.services import change_epoch


class Command(BaseCommand):
    help = (
        "Change the epoch. Run this after restoring a backup, or after a failover that lost commits, before you start "
        "the servers again. Clients that have another epoch discard what they hold of their rooms and load it again."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"the epoch is {change_epoch()}")
