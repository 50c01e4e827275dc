"""`manage.py new_epoch`: tell every client that this history is not the one it knew."""

from typing import Any

from django.core.management.base import BaseCommand

from rooms.services import change_epoch


class Command(BaseCommand):
    help = (
        "Change the epoch. To be run after a backup was restored, or after a failover that lost commits, and before "
        "the servers are started again: clients whose epoch differs start their rooms anew."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"the epoch is {change_epoch()}")
