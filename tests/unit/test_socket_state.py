"""The states of a socket: which transition leads where, and what each state allows."""

from itertools import product

import pytest

from messaging.transport.socket import CLOSE, DRAIN, END, FILL, LEAVE, SocketState, Transition, next_state

OPEN, CONGESTED = SocketState.OPEN, SocketState.CONGESTED
LEAVING, LEAVING_CONGESTED = SocketState.LEAVING, SocketState.LEAVING_CONGESTED
CLOSING, CLOSED = SocketState.CLOSING, SocketState.CLOSED

TRANSITIONS = {"FILL": FILL, "DRAIN": DRAIN, "LEAVE": LEAVE, "CLOSE": CLOSE, "END": END}

TABLE = {
    # from              FILL               DRAIN      LEAVE              CLOSE    END
    OPEN:              (CONGESTED,         OPEN,      LEAVING,           CLOSING, CLOSED),
    CONGESTED:         (CONGESTED,         OPEN,      LEAVING_CONGESTED, CLOSING, CLOSED),
    LEAVING:           (LEAVING_CONGESTED, LEAVING,   LEAVING,           CLOSING, CLOSED),
    LEAVING_CONGESTED: (LEAVING_CONGESTED, LEAVING,   LEAVING_CONGESTED, CLOSING, CLOSED),
    CLOSING:           (CLOSING,           CLOSING,   CLOSING,           CLOSING, CLOSED),
    CLOSED:            (CLOSED,            CLOSED,    CLOSED,            CLOSED,  CLOSED),
}  # fmt: skip

CASES = [
    pytest.param(state, TRANSITIONS[name], expected, id=f"{state.name}-{name}")
    for state, row in TABLE.items()
    for name, expected in zip(TRANSITIONS, row, strict=True)
]


def after(*transitions: Transition) -> SocketState:
    state = OPEN
    for transition in transitions:
        state = next_state(state, transition)
    return state


def test_it_works() -> None:
    assert after(FILL, LEAVE, DRAIN, CLOSE, END) is CLOSED


def test_the_table_is_complete() -> None:
    assert set(TABLE) == set(SocketState)


@pytest.mark.parametrize(("state", "transition", "expected"), CASES)
def test_each_transition_leads_from_each_state_to_one(
    state: SocketState, transition: Transition, expected: SocketState
) -> None:
    assert next_state(state, transition) is expected


def test_repeating_a_transition_changes_nothing() -> None:
    for state, transition in product(SocketState, TRANSITIONS.values()):
        once = next_state(state, transition)
        assert next_state(once, transition) is once


@pytest.mark.parametrize(
    ("state", "handles_frames", "is_congested", "is_over"),
    [
        (OPEN, True, False, False),
        (CONGESTED, True, True, False),
        (LEAVING, False, False, False),
        (LEAVING_CONGESTED, False, True, False),
        (CLOSING, False, False, True),
        (CLOSED, False, False, True),
    ],
)
def test_each_state_says_what_it_allows(
    state: SocketState, handles_frames: bool, is_congested: bool, is_over: bool
) -> None:
    assert (state.handles_frames, state.is_congested, state.is_over) == (handles_frames, is_congested, is_over)


def test_nothing_is_allowed_again() -> None:
    """In no sequence are frames handled again after a leave, or is anything written after a close."""
    for transitions in product(TRANSITIONS.values(), repeat=5):
        state = OPEN
        for transition in transitions:
            before, state = state, next_state(state, transition)
            assert before.handles_frames or not state.handles_frames
            assert state.is_over or not before.is_over


def test_congestion_survives_a_leave() -> None:
    assert after(FILL, LEAVE) is after(LEAVE, FILL) is LEAVING_CONGESTED
    assert after(FILL, LEAVE, DRAIN) is LEAVING
