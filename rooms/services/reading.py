"""The read cursor of a member. Unread is what lies between it and the head: nothing is counted."""

from uuid import UUID

from django.db import transaction

from foundation.errors import Invalid
from rooms import models
from rooms.access import access_room
from rooms.broadcast import broadcast
from rooms.events import ReadMoved
from rooms.notices import user_notice
from rooms.schema import ReadState


def read_messages(*, user_id: UUID, room_id: UUID, message_id: int, unread: bool = False) -> ReadState:
    """Move the cursor to `message_id`: forward, or with `unread` also back. Idempotent; no entry in the log.

    Opens a transaction. The user's own sockets are told. Raises `Invalid` for an id beyond the head, and what
    `access_room` raises.
    """
    with transaction.atomic(durable=True):
        # Not to be locked behind the head: a cursor is nobody else's business.
        access = access_room(user_id=user_id, room_id=room_id)
        head = access.room.head.message_id
        if message_id > head:
            raise Invalid("There is no such message yet.", field="id")
        mine = models.Membership.objects.filter(room_id=room_id, user_id=user_id)
        if not unread:
            mine = mine.filter(read_id__lt=message_id)
        moved = mine.update(read_id=message_id)
        read_id = message_id if moved else access.membership.read_id
    state = ReadState(read_id=read_id, unread=head - read_id)
    if moved:
        broadcast([user_notice(user_id, ReadMoved(room=room_id, data=state))])
    return state
