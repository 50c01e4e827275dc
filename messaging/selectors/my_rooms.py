"""Lists the rooms of a user. No transactions."""

from uuid import UUID

from messaging.selectors.messages import messages_by_key
from messaging.wire.shapes import Message, MyRoom, MyRoomPage
from rooms import models as rooms
from rooms import selectors


def list_my_rooms(*, user_id: UUID, before: UUID | None, after: UUID | None, limit: int) -> MyRoomPage:
    """Returns a page of the rooms of which the user is a member, each with the latest message and the unread count.

    Sorted by room id, which is oldest first; `before` and `after` are ids of rooms, or None. Bounded
    by `page_max_bytes`, too. Two queries.
    """
    page = selectors.list_memberships(user_id=user_id, before=before, after=after, limit=limit)
    latest = messages_by_key([(row.room_id, row.room.head.message_id) for row in page.rows])
    return page.render(
        MyRoomPage, [_my_room(row, latest.get((row.room_id, row.room.head.message_id))) for row in page.rows]
    )


def _my_room(membership: rooms.Membership, last_message: Message | None) -> MyRoom:
    joined = selectors.joined_of(membership)
    room = joined.room
    return MyRoom(
        **{name: getattr(room, name) for name in room.__struct_fields__},
        membership=joined.membership,
        head=joined.head,
        unread=joined.unread,
        last_message=last_message,
    )
