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
from rooms.user_versions import raise_versions


def read_messages(*, user_id: UUID, room_id: UUID, message_id: int, unread: bool = False) -> ReadState:
    """Moves the user's read cursor to `message_id`, and returns where it is afterwards. Appends nothing to the log.

    The cursor moves back only with `unread`; otherwise an id behind it changes nothing. If it moved, the user's own
    sockets receive `read`. Opens a durable transaction of one query, and two more if the cursor moves. Raises `Invalid`
    if `message_id` is beyond the head, and what `access_room` raises.
    """
    with transaction.atomic(durable=True):
        # Does not lock the head: nobody else depends on the cursor, and readers need not wait for senders.
        access = access_room(user_id=user_id, room_id=room_id)
        head, read_id = access.room.head.message_id, access.membership.read_id
        if message_id > head:
            raise Invalid("There is no message with this id yet.", field="id")
        version = None
        if message_id > read_id or (unread and message_id < read_id):
            version = _move(user_id=user_id, room_id=room_id, message_id=message_id, unread=unread)
    if version is None:
        return ReadState(read_id=read_id, unread=head - read_id)
    state = ReadState(read_id=message_id, unread=head - message_id)
    broadcast([user_notice(user_id, version, ReadMoved(room=room_id, data=state))])
    return state


def _move(*, user_id: UUID, room_id: UUID, message_id: int, unread: bool) -> int | None:
    """Moves the cursor, and returns the user's version. Two queries; call it inside a transaction.

    Rolls it back and returns None if the cursor was moved past `message_id` or the membership ended in the meantime.
    """
    version = raise_versions([user_id])[user_id]
    mine = models.Membership.objects.filter(room_id=room_id, user_id=user_id, left_seq__isnull=True)
    if not unread:
        mine = mine.filter(read_id__lt=message_id)
    if mine.update(read_id=message_id, read_version=version, user_version=version):
        return version
    transaction.set_rollback(True)
    return None
