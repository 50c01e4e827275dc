"""Messages in their current state. Holds no rules."""

from django.db import models

from accounts.models import User
from foundation.fields import ExactJSONField
from rooms.models import Room


class Message(models.Model):
    """A message. `id` counts the messages of its room; `seq` is its position among all changes of the room."""

    pk = models.CompositePrimaryKey("room_id", "id")
    room = models.ForeignKey(
        Room, on_delete=models.PROTECT, db_index=False, db_constraint=False, related_name="messages"
    )
    id = models.BigIntegerField()
    seq = models.BigIntegerField()
    sender = models.ForeignKey(
        User, on_delete=models.PROTECT, db_index=False, db_constraint=False, related_name="messages"
    )
    text = models.TextField()
    reply_to = models.BigIntegerField(null=True)
    data = ExactJSONField(default=dict)
    # The sender's key, or one from the server (messaging/append/submissions.py). A retry finds the message by it.
    client_id = models.CharField(max_length=64)
    # Distinguishes a retry from another message with the same key, even after the text was erased.
    digest = models.BinaryField(max_length=16)
    created_at = models.DateTimeField()
    edited_at = models.DateTimeField(null=True)
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["room", "sender", "client_id"], name="one_message_per_client_id")
        ]
