"""The judgement of a batch of drafts, at one place in the log of each room. Pure: reads nothing, writes nothing."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from accounts.schema import User
from foundation.errors import DomainError, Invalid, NotFound, Overloaded, Unauthenticated
from foundation.schema import timestamp
from messaging.append.submissions import Draft
from messaging.errors import ClientIdReused
from messaging.wire.shapes import Sent
from rooms.errors import Archived, Muted, NotAMember

Verdict = Sent | DomainError
NO_ROOM = "There is no such room."


class Busy(Overloaded):
    """The room was locked by others for too long. Surely not done: may be tried again."""


class Head(msgspec.Struct):
    """The numbers to go on from."""

    seq: int
    message_id: int


class Standing(msgspec.Struct, frozen=True):
    """A sender in a room, as read after the room's head was locked. `is_current`: the session still is."""

    sender: User
    is_current: bool
    is_public: bool
    is_member: bool
    is_muted: bool
    is_archived: bool
    read_id: int


class Known(msgspec.Struct, frozen=True):
    """What a key was used for before."""

    digest: bytes
    sent: Sent


class Row(msgspec.Struct, frozen=True):
    """A draft with its place in the log."""

    draft: Draft
    sender: User
    id: int
    seq: int


Key = tuple[UUID, UUID, str]  # room, sender, client_id


def key_of(draft: Draft) -> Key:
    return draft.room_id, draft.sender_id, draft.client_id


class State(msgspec.Struct, frozen=True):
    """All that a judgement rests on. A room without a head is not there, or `busy`; a standing goes by draft."""

    heads: Mapping[UUID, Head]
    busy: frozenset[UUID]
    standings: Sequence[Standing | None]
    known: Mapping[Key, Known]


class Decision(msgspec.Struct, frozen=True):
    """A verdict for each draft, in their order; the rows to insert; what was there already; cursors that move along."""

    at: datetime
    verdicts: list[Verdict]
    rows: list[Row]
    repeated: list[Sent]
    cursors: dict[tuple[UUID, UUID], tuple[int, int]]  # (room, user): from, to


def decide(state: State, drafts: Sequence[Draft], *, at: datetime) -> Decision:
    """Judge each draft by key, authority, room state, limits, in this order; number what remains; move the heads."""
    decision = Decision(at=at, verdicts=[], rows=[], repeated=[], cursors={})
    known = dict(state.known)
    created_at = timestamp(at)
    for draft, standing in zip(drafts, state.standings, strict=True):
        key = key_of(draft)
        head = state.heads.get(draft.room_id)
        earlier = known.get(key)
        if earlier is not None:
            if earlier.digest in draft.digests:
                decision.verdicts.append(earlier.sent)
                decision.repeated.append(earlier.sent)
            else:
                decision.verdicts.append(ClientIdReused(field="client_id"))
        elif head is None or standing is None:
            is_busy = draft.room_id in state.busy
            decision.verdicts.append(Busy(retry_after=1) if is_busy else NotFound(NO_ROOM, field="room"))
        elif (refusal := _refusal(draft, head, standing)) is not None:
            decision.verdicts.append(refusal)
        else:
            head.seq += 1
            head.message_id += 1
            sent = Sent(room=draft.room_id, id=head.message_id, seq=head.seq, created_at=created_at)
            decision.verdicts.append(sent)
            decision.rows.append(Row(draft=draft, sender=standing.sender, id=sent.id, seq=sent.seq))
            known[key] = Known(digest=draft.digests[0], sent=sent)
            _move_cursor(decision.cursors, draft, standing.read_id, sent.id)
    return decision


def _refusal(draft: Draft, head: Head, standing: Standing) -> DomainError | None:
    """The first reason not to append `draft`."""
    if not standing.is_current:
        return Unauthenticated("The session has ended.")
    if not standing.is_member:
        return NotAMember() if standing.is_public else NotFound(NO_ROOM, field="room")
    if standing.is_muted:
        return Muted()
    if standing.is_archived:
        return Archived()
    if draft.reply_to is not None and draft.reply_to > head.message_id:
        return Invalid("There is no such message.", field="reply_to")
    return None


def _move_cursor(
    cursors: dict[tuple[UUID, UUID], tuple[int, int]], draft: Draft, read_id: int, message_id: int
) -> None:
    """One's own message is read, where all before it was."""
    key = draft.room_id, draft.sender_id
    start, end = cursors.get(key, (read_id, read_id))
    if end == message_id - 1:
        cursors[key] = start, message_id
