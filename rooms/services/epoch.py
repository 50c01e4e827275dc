"""Changes the epoch, which identifies this history of the database."""

from uuid import UUID

from django.db import transaction

from accounts.models import new_id
from rooms import models


def change_epoch() -> UUID:
    """Gives the database a new epoch and returns it. Clients that still have the old one are asked to resync.

    Opens a durable transaction.
    """
    with transaction.atomic(durable=True):
        epoch, _ = models.Epoch.objects.update_or_create(id=1, defaults={"value": new_id()})
    return epoch.value
