"""The events of messages and of the connection, each declared once. Pure. Those of rooms are in `rooms/events.py`.

Docstrings and descriptions of fields are published in asyncapi.yaml and address the developers of clients.
"""

from typing import Annotated, Final
from uuid import UUID

import msgspec
from msgspec import Meta

from messaging.wire import samples
from messaging.wire.actions import features
from messaging.wire.limits import ANNOUNCED, Limits
from messaging.wire.shapes import Greeting, Message
from rooms.events import Event, LogEvent
from rooms.notices import RoomNotice, render_entry
from rooms.samples import ALICE, AT, LATER, ROOM_ID

VERSION: Final = 1


class Hello(Event, frozen=True, kw_only=True, tag="hello"):
    """The first frame on every socket."""

    data: Greeting

    example = {
        "data": Greeting(
            protocol=VERSION,
            features=features(),
            epoch=samples.EPOCH,
            user=ALICE,
            session=samples.SESSION_ID,
            expires_at=LATER,
            heartbeat_s=Limits().heartbeat_s,
            limits={name: getattr(Limits(), name) for name in ANNOUNCED},
        )
    }


class MessageCreated(LogEvent[Message], frozen=True, tag="message.created"):
    """A message was sent to the room."""

    subject = "message"
    example = {"room": ROOM_ID, "seq": 57, "at": AT, "actor": ALICE.id, "data": samples.MESSAGE}


class Advice(msgspec.Struct, frozen=True):
    """When to reconnect."""

    reconnect_in_ms: Annotated[int, Meta(description="Milliseconds to wait before you open another socket")]


class Draining(Event, frozen=True, kw_only=True, tag="draining"):
    """The server is about to stop, and will close this socket with 4001."""

    data: Advice

    example = {"data": Advice(350)}


class Revoked(msgspec.Struct, frozen=True):
    """The session that has ended."""

    session: Annotated[UUID, Meta(description="The `session` of `hello`")]


class SessionRevoked(Event, frozen=True, kw_only=True, tag="session.revoked"):
    """Your session has ended, and the server will close this socket with 4503."""

    data: Revoked

    example = {"data": Revoked(samples.SESSION_ID)}


def message_created(message: Message) -> RoomNotice:
    """Returns the notice of a new message, as `message.created`."""
    return render_entry(
        MessageCreated,
        room_id=message.room,
        seq=message.seq,
        at=message.created_at,
        actor_id=message.sender.id,
        data=message,
        message_id=message.id,
    )
