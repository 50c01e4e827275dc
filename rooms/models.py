"""Rooms, their members and their logs. Holds no rules."""

from django.db import models

from accounts.models import User, new_id
from foundation.fields import ExactJSONField
from rooms.permissions import Role


class Room(models.Model):
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=10, choices=[("public", "public"), ("private", "private")])
    name = models.CharField(max_length=100)
    topic = models.CharField(max_length=500, blank=True)
    avatar_url = models.CharField(max_length=2048, blank=True)
    data = ExactJSONField(default=dict)
    # Changed only while the head is locked.
    member_count = models.PositiveIntegerField(default=0)
    slow_mode_s = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()
    archived_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["id"], name="rooms_public", condition=models.Q(kind="public"))]

    def __str__(self) -> str:
        return self.name


class Head(models.Model):
    """The end of a room's log. Its row lock orders the room's changes. Narrow, because every change rewrites it."""

    room = models.OneToOneField(Room, primary_key=True, on_delete=models.CASCADE, related_name="head")
    seq = models.BigIntegerField(default=0)
    message_id = models.BigIntegerField(default=0)
    # The oldest seq that is still stored.
    floor = models.BigIntegerField(default=1)


class UserHead(models.Model):
    """How many changes have concerned a user: their version. Its row lock orders these changes.

    Narrow, because every such change rewrites it. The first one inserts it.
    """

    user = models.OneToOneField(User, primary_key=True, on_delete=models.CASCADE, related_name="+")
    version = models.BigIntegerField()


class Membership(models.Model):
    """A user's membership of a room. The row stays when the membership ends, with `left_seq` set."""

    pk = models.CompositePrimaryKey("room_id", "user_id")
    room = models.ForeignKey(Room, on_delete=models.CASCADE, db_index=False, related_name="memberships")
    # Protected, because the room's log names its members for as long as it is kept: users are deactivated, not deleted.
    user = models.ForeignKey(User, on_delete=models.PROTECT, db_index=False, related_name="memberships")
    role = models.PositiveSmallIntegerField(
        choices=[(role.value, role.name.capitalize()) for role in Role], default=Role.MEMBER
    )
    # The read cursor: the id of the last message that was read. The messages after it are unread.
    read_id = models.BigIntegerField(default=0)
    notify = models.CharField(max_length=10, default="all")
    muted_until = models.DateTimeField(null=True)
    joined_seq = models.BigIntegerField()
    left_seq = models.BigIntegerField(null=True)
    # Whether the member ended the membership themselves. Then others cannot add them again.
    left_voluntarily = models.BooleanField(default=False)
    # The user's version at the last change of this membership that the user receives: of any kind, and of each kind. 0
    # if there was none. `rooms/user_versions.py` raises them.
    user_version = models.BigIntegerField(default=0)
    added_version = models.BigIntegerField(default=0)
    read_version = models.BigIntegerField(default=0)

    class Meta:
        indexes = [
            models.Index(fields=["user", "room"], name="rooms_of_user", condition=models.Q(left_seq__isnull=True)),
            # Without the memberships that never changed in this way. A send moves a read cursor without touching it.
            models.Index(
                fields=["user", "user_version"], name="rooms_changed_for_user", condition=models.Q(user_version__gt=0)
            ),
        ]


class Entry(models.Model):
    """One change of a room. Refers to its subject and does not copy it.

    The subject is the message `message_id` or the member `user_id`; if both are null, it is the room.
    """

    pk = models.CompositePrimaryKey("room_id", "seq")
    # Protected, because this key has no constraint: an append during a cascade would leave entries without a room.
    room = models.ForeignKey(
        Room, on_delete=models.PROTECT, db_index=False, db_constraint=False, related_name="entries"
    )
    seq = models.BigIntegerField()
    kind = models.CharField(max_length=32)
    actor_id = models.UUIDField()
    message_id = models.BigIntegerField(null=True)
    user_id = models.UUIDField(null=True)
    at = models.DateTimeField()


class Epoch(models.Model):
    """The identifier of this history, in one row. It changes when the database is restored to an earlier state."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    value = models.UUIDField(default=new_id)
