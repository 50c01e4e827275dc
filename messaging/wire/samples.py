"""Sample values of messages and sessions, for the examples in the generated documents. Pure."""

from typing import Final
from uuid import UUID

from messaging.wire.shapes import Message, sender_of
from rooms.samples import ALICE, AT, ROOM_ID

SESSION_ID: Final = UUID("d2d50f84-5dfc-4ec7-9a5c-8f1c5b3a9c11")
EPOCH: Final = UUID("9b2f6a3e-51b7-4e9b-8a49-0f8f6c1d7e20")
MESSAGE: Final = Message(
    room=ROOM_ID,
    id=42,
    seq=57,
    sender=sender_of(ALICE),
    text="hi",
    client_id="c-1",
    reply_to=None,
    data={},
    created_at=AT,
)
