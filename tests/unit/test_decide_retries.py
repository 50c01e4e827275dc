"""How `decide` recognizes a retry by its client id and digest, and refuses a reused client id."""

from typing import Any

import pytest

from foundation.errors import Invalid
from messaging.errors import ClientIdReused
from messaging.wire.shapes import Sent
from rooms.schema import LockedHead
from tests.unit.examples import ALICE, BOB, OTHER_ROOM, ROOM, submission
from tests.unit.judging import MEMBER, judge, known, refusal, sent, standing


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
