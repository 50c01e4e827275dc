"""Notices: what was committed, encoded once, on its way to the sockets; and the rendering of entries as notices. Pure.

Services render the entries that they append, and replay renders the entries that it reads, by the same function: an
entry's kind, seq, time and actor are its own, only `data` is its subject's.
"""

from datetime import datetime
from uuid import UUID

import msgspec

from foundation.schema import timestamp
from rooms.events import Data, Event, Gap, LogEvent


class RoomNotice(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A committed entry, encoded as its event.

    `evicts` is the user who follows the room no further than this. `message_id` is the message that the entry shows;
    if it `revises` that message, frames that showed it before are out of date. The notice of a gap stands for all
    entries from `covers_from` to `seq`.
    """

    room_id: UUID
    seq: int
    payload: bytes
    evicts: UUID | None = None
    message_id: int | None = None
    revises: bool = False
    covers_from: int | None = None


class UserNotice(msgspec.Struct, frozen=True, gc=False, tag=True):
    """An event for the sockets of one user. It has no seq and may be dropped."""

    user_id: UUID
    payload: bytes


class RoomHint(msgspec.Struct, frozen=True, gc=False, tag=True):
    """The log of a room reaches at least to `seq`. A process that does not know the entries yet reads them."""

    room_id: UUID
    seq: int


class SessionsChanged(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Sessions of a user may have ended: check whether the user's sockets may stay."""

    user_id: UUID


Notice = RoomNotice | UserNotice | RoomHint | SessionsChanged

_encoder = msgspec.json.Encoder()


def render_entry(
    kind: type[LogEvent[Data]],
    *,
    room_id: UUID,
    seq: int,
    at: datetime | str,
    actor_id: UUID,
    data: Data,
    user_id: UUID | None = None,
    message_id: int | None = None,
) -> RoomNotice:
    """Returns the notice of one entry. `at` is aware, or a wire timestamp already.

    `user_id` and `message_id` name the user or the message that the entry is about.
    """
    event = kind(
        room=room_id,
        seq=seq,
        at=at if isinstance(at, str) else timestamp(at),
        actor=actor_id,
        data=data,
    )
    return RoomNotice(
        room_id=room_id,
        seq=seq,
        payload=_encoder.encode(event),
        evicts=user_id if kind.evicts else None,
        message_id=message_id,
        revises=kind.revises,
    )


def render_gap(room_id: UUID, first: int, last: int) -> RoomNotice:
    """Returns the notice that the entries from `first` to `last` no longer exist."""
    payload = _encoder.encode(Gap(room=room_id, from_=first, to=last))
    return RoomNotice(room_id=room_id, seq=last, payload=payload, covers_from=first)


def user_notice(user_id: UUID, event: Event) -> UserNotice:
    """Returns the notice that carries `event` to the sockets of one user."""
    return UserNotice(user_id=user_id, payload=_encoder.encode(event))
