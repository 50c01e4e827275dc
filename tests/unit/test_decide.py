"""`decide`, which judges a batch of submissions: how it numbers them, and how it moves read cursors."""

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messaging.append.decide import Decision, SenderStanding, Verdict, key_of
from messaging.append.submissions import Submission
from messaging.wire.shapes import Sent
from rooms.permissions import Role
from rooms.schema import LockedHead
from tests.unit.examples import ALICE, AT, BOB, OTHER_ROOM, ROOM, submission
from tests.unit.judging import MEMBER, judge, sent, standing


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
