"""Notices of committed changes, each with its event encoded once, and the rendering of entries as notices. Pure.

Services render the entries that they append, and replay renders the entries that it reads, with the same function.
Kind, seq, time and actor come from the entry; only `data` comes from the subject.
"""

from datetime import datetime
from uuid import UUID

import msgspec

from foundation.schema import timestamp
from rooms.events import Data, Event, Gap, LogEvent


class RoomNotice(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A committed entry of a room's log, encoded as its event.

    `evicts` is the user for whom this is the last event of the room, because their membership ended. `message_id` is
    the message that the entry is about; if it `revises` that message, earlier frames that show it are out of date. In
    the notice of a gap, `covers_from` is set: it takes the place of all entries from `covers_from` to `seq`.
    """

    room_id: UUID
    seq: int
    payload: bytes
    evicts: UUID | None = None
    message_id: int | None = None
    revises: bool = False
    covers_from: int | None = None


class UserNotice(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A committed change that concerns one user, encoded as its event for the user's own sockets.

    `version` is the user's version that the change has. It orders the changes and is not part of the event.
    """

    user_id: UUID
    version: int
    payload: bytes


class RoomHint(msgspec.Struct, frozen=True, gc=False, tag=True):
    """The log of a room extends at least to `seq`. A process that does not have these entries reads them."""

    room_id: UUID
    seq: int


class UserHint(msgspec.Struct, frozen=True, gc=False, tag=True):
    """The version of a user is at least `version`. A process that does not have these changes reads them."""

    user_id: UUID
    version: int


class SessionsChanged(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Sessions of a user may have ended: each process checks whether the user's sockets may stay open."""

    user_id: UUID


Notice = RoomNotice | UserNotice | RoomHint | UserHint | SessionsChanged

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
    """Returns the notice of one entry.

    `at` is an aware time or a timestamp as it stands in JSON. `data` is the entry's subject as it is now. `user_id` is
    the member and `message_id` the message that the entry is about, if any.
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
    """Returns a notice that the entries from `first` to `last` are no longer stored."""
    payload = _encoder.encode(Gap(room=room_id, from_=first, to=last))
    return RoomNotice(room_id=room_id, seq=last, payload=payload, covers_from=first)


def user_notice(user_id: UUID, version: int, event: Event) -> UserNotice:
    """Returns a notice that carries `event`, which is the change `version` of a user, to the user's sockets."""
    return UserNotice(user_id=user_id, version=version, payload=_encoder.encode(event))
