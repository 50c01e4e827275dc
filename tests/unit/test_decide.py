"""`decide`, which judges a batch of submissions."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.schema import User
from foundation.errors import DomainError, Forbidden, Invalid, NotFound, Unauthenticated
from messaging.append.decide import Busy, Decision, Known, SenderStanding, State, Verdict, decide, key_of
from messaging.append.submissions import Submission
from messaging.errors import ClientIdReused
from messaging.wire.shapes import Sent
from rooms.errors import Archived, Muted, NotAMember
from rooms.permissions import Permission, Role
from rooms.schema import LockedHead
from tests.unit.examples import ALICE, AT, BOB, CHARLIE, OTHER_ROOM, ROOM, submission

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


def test_it_works() -> None:
    heads = {ROOM: LockedHead(10, 5)}
    message = submission()

    decision = judge(message, heads=heads, standings=[standing(read_id=5)])

    assert decision.verdicts == [sent(6, 11)]
    (row,) = decision.accepted
    assert (row.submission, row.sender, row.id, row.seq) == (message, ALICE, 6, 11)
    assert heads == {ROOM: LockedHead(11, 6)}
    assert decision.cursors == {(ROOM, ALICE.id): (5, 6)}


def test_it_accepts_an_empty_batch() -> None:
    assert judge() == Decision(at=AT, verdicts=[], accepted=[], repeated=[], cursors={})


# -- numbers ------------------------------------------------------------------------------------------------------


def test_it_numbers_each_room_densely() -> None:
    rooms = [ROOM, OTHER_ROOM, ROOM, ROOM, OTHER_ROOM]
    heads = {ROOM: LockedHead(10, 5), OTHER_ROOM: LockedHead(20, 7)}

    decision = judge(*(submission(room=room) for room in rooms), heads=heads)

    positions = [(verdict.room, verdict.id, verdict.seq) for verdict in decision.verdicts if isinstance(verdict, Sent)]
    assert positions == [(ROOM, 6, 11), (OTHER_ROOM, 8, 21), (ROOM, 7, 12), (ROOM, 8, 13), (OTHER_ROOM, 9, 22)]
    assert heads == {ROOM: LockedHead(13, 8), OTHER_ROOM: LockedHead(22, 9)}


def test_it_gives_a_refused_submission_no_number() -> None:
    heads = {ROOM: LockedHead(10, 5)}

    decision = judge(
        submission(), submission(), submission(), heads=heads, standings=[MEMBER, standing(is_muted=True), MEMBER]
    )

    assert [row.seq for row in decision.accepted] == [11, 12]
    assert heads == {ROOM: LockedHead(12, 7)}


# -- refusals -----------------------------------------------------------------------------------------------------


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


# -- client ids ---------------------------------------------------------------------------------------------------


def test_it_answers_a_retry_with_the_original_result() -> None:
    heads = {ROOM: LockedHead(10, 5)}
    message = submission(client_id="c-1")

    decision = judge(message, heads=heads, known=known((message, sent(3, 4))))

    assert (decision.verdicts, decision.accepted, decision.cursors) == ([sent(3, 4)], [], {})
    assert heads == {ROOM: LockedHead(10, 5)}


@pytest.mark.parametrize(
    "facts",
    [{"is_current": False}, {"role": None}, {"is_muted": True}, {"is_archived": True}],
)
def test_it_answers_a_retry_even_if_the_sender_may_no_longer_send(facts: dict[str, Any]) -> None:
    message = submission(client_id="c-1")

    assert judge(message, standings=[standing(**facts)], known=known((message, sent(3, 4)))).verdicts == [sent(3, 4)]


def test_it_refuses_a_client_id_reused_with_other_content() -> None:
    earlier = submission("hi", client_id="c-1")

    error = refusal(submission("ho", client_id="c-1"), known=known((earlier, sent(3, 4))))

    assert (type(error), error.field) == (ClientIdReused, "client_id")


def test_it_recognizes_a_retry_by_its_digest_under_an_older_secret_key() -> None:
    earlier = submission(client_id="c-1", secret_keys=("older key",))

    assert judge(submission(client_id="c-1"), known=known((earlier, sent(3, 4)))).verdicts == [sent(3, 4)]


def test_it_refuses_a_retry_whose_digest_is_under_a_removed_secret_key() -> None:
    earlier = submission(client_id="c-1", secret_keys=("gone",))

    assert type(refusal(submission(client_id="c-1"), known=known((earlier, sent(3, 4))))) is ClientIdReused


def test_it_accepts_a_client_id_repeated_in_a_batch_once() -> None:
    decision = judge(submission(client_id="c-1"), submission(), submission(client_id="c-1"))

    assert decision.verdicts == [sent(6, 11), sent(7, 12), sent(6, 11)]
    assert [row.seq for row in decision.accepted] == [11, 12]


def test_it_refuses_a_client_id_repeated_in_a_batch_with_other_content() -> None:
    decision = judge(
        submission("hi", client_id="c-1"), submission("ho", client_id="c-1"), submission("hi", client_id="c-1")
    )

    assert [type(verdict) for verdict in decision.verdicts] == [Sent, ClientIdReused, Sent]
    assert [row.submission.text for row in decision.accepted] == ["hi"]


def test_it_does_not_remember_the_client_id_of_a_refused_submission() -> None:
    decision = judge(submission("hi", client_id="c-1", reply_to=6), submission("ho", client_id="c-1"))

    assert [type(verdict) for verdict in decision.verdicts] == [Invalid, Sent]


def test_it_scopes_a_client_id_to_its_room_and_sender() -> None:
    submissions = [
        submission("a", client_id="c-1"),
        submission("b", client_id="c-1", sender=BOB),
        submission("c", client_id="c-1", room=OTHER_ROOM),
        submission("d", client_id="c-2"),
    ]

    decision = judge(*submissions, standings=[MEMBER, standing(BOB), MEMBER, MEMBER])

    assert [row.submission.text for row in decision.accepted] == ["a", "b", "c", "d"]
    assert [row.sender for row in decision.accepted] == [ALICE, BOB, ALICE, ALICE]


# -- read cursors -------------------------------------------------------------------------------------------------


def test_it_moves_the_senders_cursor_past_their_own_messages() -> None:
    decision = judge(submission(), submission(), standings=[standing(read_id=5)] * 2)

    assert decision.cursors == {(ROOM, ALICE.id): (5, 7)}


@pytest.mark.parametrize("read_id", [0, 4])
def test_it_does_not_move_a_cursor_past_unread_messages(read_id: int) -> None:
    assert judge(submission(), standings=[standing(read_id=read_id)]).cursors == {}


def test_it_stops_a_cursor_before_another_senders_message() -> None:
    alice, bob = standing(read_id=5), standing(BOB, read_id=5)

    decision = judge(submission(), submission(sender=BOB), submission(), standings=[alice, bob, alice])

    assert decision.cursors == {(ROOM, ALICE.id): (5, 6)}


def test_it_moves_the_cursor_of_each_room_separately() -> None:
    decision = judge(submission(), submission(room=OTHER_ROOM), standings=[standing(read_id=5), standing(read_id=7)])

    assert decision.cursors == {(ROOM, ALICE.id): (5, 6), (OTHER_ROOM, ALICE.id): (7, 8)}


# -- generated batches --------------------------------------------------------------------------------------------

facts = st.fixed_dictionaries(
    {
        "is_current": st.booleans(),
        "is_public": st.booleans(),
        "role": st.integers(0, 9).map(lambda number: Role.MEMBER if number else None),
        "is_muted": st.integers(0, 9).map(lambda n: n == 0),
        "is_archived": st.integers(0, 9).map(lambda n: n == 0),
        "read_id": st.integers(0, 12),
    }
)
standings = st.one_of(st.just(MEMBER), st.builds(lambda facts: standing(**facts), facts), st.none())
submissions = st.builds(
    submission,
    st.sampled_from(["hi", "ho"]),
    room=st.sampled_from([ROOM, OTHER_ROOM, UUID(int=1)]),
    sender=st.sampled_from([ALICE, BOB]),
    client_id=st.sampled_from([None, "c-1", "c-2"]),
    reply_to=st.one_of(st.none(), st.integers(1, 12)),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(submissions, standings), max_size=12), st.sets(st.sampled_from([ROOM, OTHER_ROOM])))
def test_it_judges_every_submission_of_any_batch_and_numbers_densely(
    items: list[tuple[Submission, SenderStanding | None]], busy: set[UUID]
) -> None:
    starts = {room: LockedHead(10, 5) for room in (ROOM, OTHER_ROOM) if room not in busy}
    heads = {room: LockedHead(head.seq, head.message_id) for room, head in starts.items()}

    decision = judge(
        *(item[0] for item in items), standings=[item[1] for item in items], heads=heads, busy=frozenset(busy)
    )

    assert len(decision.verdicts) == len(items)
    rows = defaultdict(list)
    for row in decision.accepted:
        rows[row.submission.room_id].append(row)
    assert rows.keys() <= starts.keys()
    for room, start in starts.items():
        count = len(rows[room])
        assert [row.seq for row in rows[room]] == [start.seq + n for n in range(1, count + 1)]
        assert [row.id for row in rows[room]] == [start.message_id + n for n in range(1, count + 1)]
        assert heads[room] == LockedHead(start.seq + count, start.message_id + count)
    assert _positions(decision.verdicts) == {(row.submission.room_id, row.id, row.seq) for row in decision.accepted}
    assert len({key_of(row.submission) for row in decision.accepted}) == len(decision.accepted)


def _positions(verdicts: Sequence[Verdict]) -> set[tuple[UUID, int, int]]:
    return {(verdict.room, verdict.id, verdict.seq) for verdict in verdicts if isinstance(verdict, Sent)}
