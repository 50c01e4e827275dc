"""What travels through the channel layer: the groups it goes to and the messages it goes in. Pure."""

from collections.abc import Sequence
from typing import Any, Protocol
from uuid import UUID

import msgspec

from rooms.notices import Notice, RoomHint, RoomNotice

MESSAGE_TYPE = "roomlog.notices"

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Notice])


class Layer(Protocol):
    """The part of the interface of Channels' layers that is used here. Calls raise what the layer's client raises."""

    async def new_channel(self) -> str: ...
    async def send(self, channel: str, message: dict[str, Any]) -> None: ...
    async def receive(self, channel: str) -> dict[str, Any]: ...
    async def group_add(self, group: str, channel: str) -> None: ...
    async def group_discard(self, group: str, channel: str) -> None: ...
    async def group_send(self, group: str, message: dict[str, Any]) -> None: ...


def room_group(room_id: UUID) -> str:
    return f"room.{room_id.hex}"


def user_group(user_id: UUID) -> str:
    return f"user.{user_id.hex}"


def group_of(notice: Notice) -> str:
    """Returns the group that `notice` is sent to: its room's, or its user's."""
    if isinstance(notice, RoomNotice | RoomHint):
        return room_group(notice.room_id)
    return user_group(notice.user_id)


def encode_message(origin: str, notices: Sequence[Notice]) -> dict[str, Any]:
    """Returns a message for the layer. `origin` names the relay that publishes it."""
    return {"type": MESSAGE_TYPE, "origin": origin, "notices": _encoder.encode(notices)}


def decode_notices(encoded: bytes) -> list[Notice]:
    """Decodes the `notices` of a message. Raises `ValueError` or `TypeError` if they are malformed."""
    return _decoder.decode(encoded)
