"""What `decide` refuses, and in which order it looks for a reason."""

from typing import Any, NamedTuple

import pytest

from foundation.errors import DomainError, Forbidden, Invalid, NotFound, Unauthenticated
from messaging.append.decide import Busy
from messaging.wire.shapes import Sent
from rooms.errors import Archived, Muted, NotAMember
from rooms.permissions import Permission
from rooms.schema import LockedHead
from tests.unit.examples import CHARLIE, OTHER_ROOM, ROOM, submission
from tests.unit.judging import judge, known, refusal, sent, standing


class Fault(NamedTuple):
    """A reason for a verdict, and the facts that cause it."""

    verdict: type[DomainError] | Sent
    facts: dict[str, Any]


MESSAGE = submission(client_id="c-1", reply_to=6)
# In the order of the judgement: each applies only if none before it does.
FAULTS = [
    Fault(sent(3, 4), {"known": known((MESSAGE, sent(3, 4)))}),
    Fault(Busy, {"busy": frozenset({ROOM}), "heads": {}}),
    Fault(NotFound, {"heads": {}}),
    Fault(Unauthenticated, {"is_current": False}),
    Fault(NotAMember, {"is_public": True, "role": None}),
    Fault(Muted, {"is_muted": True}),
    Fault(Archived, {"is_archived": True}),
    Fault(Invalid, {}),
]


def test_it_requires_the_permission_to_send() -> None:
    error = refusal(submission(), standings=[standing(role=Permission.SEND.role - 1)])

    assert type(error) is Forbidden
    assert Permission.SEND.purpose in error.detail
    assert isinstance(judge(submission(), standings=[standing(role=Permission.SEND.role)]).verdicts[0], Sent)


@pytest.mark.parametrize("position", range(len(FAULTS)))
def test_it_gives_the_first_verdict_that_applies(position: int) -> None:
    facts: dict[str, Any] = {}
    for fault in FAULTS[position:]:
        facts |= fault.facts
    outer = {name: facts.pop(name) for name in ("busy", "known", "heads") if name in facts}

    (verdict,) = judge(MESSAGE, standings=[standing(**facts)], **outer).verdicts

    expected = FAULTS[position].verdict
    assert verdict == expected if isinstance(expected, Sent) else type(verdict) is expected


def test_it_refuses_a_busy_room_as_retryable() -> None:
    error = refusal(submission(), busy=frozenset({ROOM}), heads={})

    assert (type(error), error.code, error.retryable, error.retry_after) == (Busy, "overloaded", True, 1)


def test_it_accepts_submissions_to_other_rooms_if_one_is_busy() -> None:
    decision = judge(
        submission(), submission(room=OTHER_ROOM), busy=frozenset({ROOM}), heads={OTHER_ROOM: LockedHead(20, 7)}
    )

    assert isinstance(decision.verdicts[0], Busy)
    assert decision.verdicts[1] == sent(8, 21, room=OTHER_ROOM)


@pytest.mark.parametrize("facts", [{"heads": {}}, {"standings": [None]}, {"standings": [standing(CHARLIE, role=None)]}])
def test_it_refuses_a_missing_and_a_private_room_with_the_same_error(facts: dict[str, Any]) -> None:
    error = refusal(submission(sender=CHARLIE), **facts)

    assert (type(error), error.detail, error.field) == (NotFound, "There is no such room.", "room")


def test_it_refuses_a_non_member_of_a_public_room() -> None:
    assert type(refusal(submission(), standings=[standing(is_public=True, role=None)])) is NotAMember


@pytest.mark.parametrize(
    ("facts", "kind"),
    [({"is_current": False}, Unauthenticated), ({"is_muted": True}, Muted), ({"is_archived": True}, Archived)],
)
def test_it_refuses_an_ended_session_a_mute_and_an_archived_room(
    facts: dict[str, Any], kind: type[DomainError]
) -> None:
    decision = judge(submission(), standings=[standing(**facts)])

    assert [type(verdict) for verdict in decision.verdicts] == [kind]
    assert (decision.accepted, decision.cursors) == ([], {})


def test_it_accepts_a_reply_to_an_existing_message() -> None:
    assert judge(submission(reply_to=5)).verdicts == [sent(6, 11)]


def test_it_accepts_a_reply_to_a_message_of_the_same_batch() -> None:
    assert judge(submission(), submission(reply_to=6)).verdicts == [sent(6, 11), sent(7, 12)]


@pytest.mark.parametrize("reply_to", [6, 7, 2**53 - 1])
def test_it_refuses_a_reply_to_itself_or_to_a_later_message(reply_to: int) -> None:
    error = refusal(submission(reply_to=reply_to))

    assert (type(error), error.field) == (Invalid, "reply_to")
