"""Moves read cursors. The number of unread messages is the head minus the cursor, so nothing has to be counted."""

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
    """Moves the user's read cursor to `message_id`, and returns where it is afterwards. Appends nothing to the log.

    The cursor moves back only with `unread`; otherwise an id behind it changes nothing. If it moved, the user's own
    sockets receive `read`. Opens a durable transaction of two queries. Raises `Invalid` if `message_id` is beyond the
    head, and what `access_room` raises.
    """
    with transaction.atomic(durable=True):
        # Does not lock the head: nobody else depends on the cursor, and readers need not wait for senders.
        access = access_room(user_id=user_id, room_id=room_id)
        head = access.room.head.message_id
        if message_id > head:
            raise Invalid("There is no message with this id yet.", field="id")
        mine = models.Membership.objects.filter(room_id=room_id, user_id=user_id)
        if not unread:
            mine = mine.filter(read_id__lt=message_id)
        moved = mine.update(read_id=message_id)
        read_id = message_id if moved else access.membership.read_id
    state = ReadState(read_id=read_id, unread=head - read_id)
    if moved:
        broadcast([user_notice(user_id, ReadMoved(room=room_id, data=state))])
    return state
