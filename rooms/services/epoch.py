"""The name of this history."""

from uuid import UUID

from django.db import transaction

from accounts.models import new_id
from rooms import models


def change_epoch() -> UUID:
    """Give the database a new epoch. Opens a transaction. Clients that come with another are told to resync."""
    with transaction.atomic(durable=True):
        epoch, _ = models.Epoch.objects.update_or_create(id=1, defaults={"value": new_id()})
    return epoch.value
