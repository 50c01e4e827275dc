"""Judges a batch of submissions, each at its position in the log of its room. Pure: reads and writes nothing."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from accounts.schema import User
from foundation.errors import DomainError, Invalid, NotFound, Overloaded, Unauthenticated
from foundation.schema import timestamp
from messaging.append.submissions import Submission
from messaging.errors import ClientIdReused
from messaging.wire.shapes import Sent
from rooms.errors import Archived, Muted
from rooms.permissions import NO_ROOM, Permission, refusal_of_stranger
from rooms.schema import LockedHead

Verdict = Sent | DomainError


class Busy(Overloaded):
    """Other transactions held the lock on the room's head. The submission was not committed, and can be retried."""


class SenderStanding(msgspec.Struct, frozen=True):
    """The sender, their session and their membership of the room, as read after the room's head was locked."""

    sender: User
    is_current: bool  # whether the session exists, and the user is active and has the session's `auth_version`
    is_public: bool  # whether the room is
    role: int | None  # None if the sender is not a member
    is_muted: bool
    is_archived: bool  # whether the room is
    read_id: int  # the sender's read cursor; 0 if they are not a member


class Known(msgspec.Struct, frozen=True):
    """The message for which a `client_id` was used before."""

    digest: bytes
    sent: Sent


class Accepted(msgspec.Struct, frozen=True):
    """A submission that is appended, with its numbers."""

    submission: Submission
    sender: User
    id: int
    seq: int


Key = tuple[UUID, UUID, str]  # room, sender, client_id


def key_of(submission: Submission) -> Key:
    return submission.room_id, submission.sender_id, submission.client_id


class State(msgspec.Struct, frozen=True):
    """Everything on which the verdicts depend.

    A room that is not in `heads` does not exist, or is in `busy` if other transactions hold its lock. `standings` has
    an item for each submission, in their order, which is None if the room or the sender does not exist. `known` has the
    messages that were sent before under keys of the batch.
    """

    heads: Mapping[UUID, LockedHead]
    busy: frozenset[UUID]
    standings: Sequence[SenderStanding | None]
    known: Mapping[Key, Known]


class Decision(msgspec.Struct, frozen=True):
    """A verdict for each submission, in their order, and what to write."""

    at: datetime
    verdicts: list[Verdict]
    accepted: list[Accepted]
    repeated: list[Sent]  # retries of messages that were committed before
    cursors: dict[tuple[UUID, UUID], tuple[int, int]]  # by room and user: the read cursor before and after


def decide(state: State, submissions: Sequence[Submission], *, at: datetime) -> Decision:
    """Judges the submissions in their order, and numbers those that it accepts.

    Each is judged by its key, then by the sender's session, membership, role and mute, then by the room's state. A key
    that was used before, also in this batch, gets the original answer again if the content is the same. Changes the
    heads in `state`. `at` is the time of the entries, taken after the lock.
    """
    decision = Decision(at=at, verdicts=[], accepted=[], repeated=[], cursors={})
    known = dict(state.known)
    created_at = timestamp(at)
    for submission, standing in zip(submissions, state.standings, strict=True):
        key = key_of(submission)
        head = state.heads.get(submission.room_id)
        earlier = known.get(key)
        if earlier is not None:
            if earlier.digest in submission.digests:
                decision.verdicts.append(earlier.sent)
                decision.repeated.append(earlier.sent)
            else:
                decision.verdicts.append(ClientIdReused(field="client_id"))
        elif head is None or standing is None:
            is_busy = submission.room_id in state.busy
            decision.verdicts.append(Busy(retry_after=1) if is_busy else NotFound(NO_ROOM, field="room"))
        elif (refusal := _refusal(submission, head, standing)) is not None:
            decision.verdicts.append(refusal)
        else:
            head.seq += 1
            head.message_id += 1
            sent = Sent(room=submission.room_id, id=head.message_id, seq=head.seq, created_at=created_at)
            decision.verdicts.append(sent)
            decision.accepted.append(Accepted(submission=submission, sender=standing.sender, id=sent.id, seq=sent.seq))
            known[key] = Known(digest=submission.digests[0], sent=sent)
            _move_cursor(decision.cursors, submission, standing.read_id, sent.id)
    return decision


def _refusal(submission: Submission, head: LockedHead, standing: SenderStanding) -> DomainError | None:
    """Returns the first reason to refuse `submission`, or None."""
    if not standing.is_current:
        return Unauthenticated("The session has ended.")
    if standing.role is None:
        return refusal_of_stranger(is_public=standing.is_public, field="room")
    if (refusal := Permission.SEND.refusal(standing.role)) is not None:
        return refusal
    if standing.is_muted:
        return Muted()
    if standing.is_archived:
        return Archived()
    if submission.reply_to is not None and submission.reply_to > head.message_id:
        return Invalid("There is no message with this id.", field="reply_to")
    return None


def _move_cursor(
    cursors: dict[tuple[UUID, UUID], tuple[int, int]], submission: Submission, read_id: int, message_id: int
) -> None:
    """Moves the sender's read cursor past their own message, if they had read everything before it."""
    key = submission.room_id, submission.sender_id
    start, end = cursors.get(key, (read_id, read_id))
    if end == message_id - 1:
        cursors[key] = start, message_id
