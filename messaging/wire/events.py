"""The events of messages. Pure."""

from typing import Literal

from messaging.wire.shapes import Message
from rooms.events import Event, RoomNotice, room_notice

MessageKind = Literal["message.created"]


class MessageEvent(Event[Message], frozen=True):
    event: MessageKind


def message_created(message: Message) -> RoomNotice:
    return room_notice(
        MessageEvent(
            event="message.created",
            room=message.room,
            seq=message.seq,
            at=message.created_at,
            actor=message.sender.id,
            data=message,
        ),
        message_id=message.id,
    )
