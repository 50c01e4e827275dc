"""What is said: the current state of each message."""

from django.db import models

from accounts.models import User
from foundation.fields import ExactJSONField
from rooms.models import Room


class Message(models.Model):
    """`id` counts the messages of a room, `seq` is its place among all the room's changes."""

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
    # The sender's key, or one from the server (messaging/append/submissions.py); with it a retry finds the first try.
    client_id = models.CharField(max_length=64)
    # Tells a retry from another message under the same key, even when the text is gone.
    digest = models.BinaryField(max_length=16)
    created_at = models.DateTimeField()
    edited_at = models.DateTimeField(null=True)
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["room", "sender", "client_id"], name="one_message_per_client_id")
        ]
