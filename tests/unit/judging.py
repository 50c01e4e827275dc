"""Batches for `decide`, and the state in which it judges them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from accounts.schema import User
from foundation.errors import DomainError
from messaging.append.decide import Decision, Known, SenderStanding, State, decide, key_of
from messaging.append.submissions import Submission
from messaging.wire.shapes import Sent
from rooms.permissions import Role
from rooms.schema import LockedHead
from tests.unit.examples import ALICE, AT, OTHER_ROOM, ROOM

MEMBER = SenderStanding(
    sender=ALICE, is_current=True, is_public=False, role=Role.MEMBER, is_muted=False, is_archived=False, read_id=0
)


def standing(sender: User = ALICE, **facts: Any) -> SenderStanding:
    return msgspec.structs.replace(MEMBER, sender=sender, **facts)


def sent(id: int, seq: int, *, room: UUID = ROOM) -> Sent:
    return Sent(room=room, id=id, seq=seq, created_at="2026-01-02T03:04:05.678Z")


def known(*submissions: tuple[Submission, Sent]) -> dict[tuple[UUID, UUID, str], Known]:
    """Returns the messages that were committed before, each with its present digest."""
    return {
        key_of(submission): Known(digest=submission.digests[0], sent=original) for submission, original in submissions
    }


def judge(
    *submissions: Submission, standings: Sequence[SenderStanding | None] | None = None, heads: Any = None, **facts: Any
) -> Decision:
    """Judges `submissions` in rooms at seq 10 and message 5, whose senders are members unless stated otherwise."""
    state = State(
        heads={ROOM: LockedHead(10, 5), OTHER_ROOM: LockedHead(20, 7)} if heads is None else heads,
        busy=facts.get("busy", frozenset()),
        standings=[MEMBER] * len(submissions) if standings is None else standings,
        known=facts.get("known", {}),
    )
    return decide(state, submissions, at=AT)


def refusal(*submissions: Submission, **facts: Any) -> DomainError:
    """Returns the last verdict. Asserts that it is an error."""
    verdict = judge(*submissions, **facts).verdicts[-1]
    assert isinstance(verdict, DomainError)
    return verdict
