"""The ring: the newest entries of a room, for replays that need no query."""

import pytest

from messaging.fanout.buffers import Ring
from tests.unit.in_memory import notice


def make_ring(*, max_frames: int = 64, max_bytes: int = 64 * 1024) -> Ring:
    return Ring(max_frames=max_frames, max_bytes=max_bytes)


def extend(ring: Ring, *seqs: int) -> None:
    ring.extend([notice(seq) for seq in seqs])


def seqs(ring: Ring) -> list[int]:
    return [held.seq for held in ring.notices]


def after(ring: Ring, cursor: int, *, max_bytes: int = 2**20) -> list[int] | None:
    found = ring.after(cursor, max_bytes=max_bytes)
    return None if found is None else [held.seq for held in found]


def test_it_keeps_the_newest_entries() -> None:
    ring = make_ring(max_frames=3)

    extend(ring, 1, 2, 3, 4, 5)

    assert seqs(ring) == [3, 4, 5]


def test_it_keeps_at_most_max_bytes() -> None:
    ring = make_ring(max_bytes=100)

    ring.extend([notice(1, size=40), notice(2, size=40), notice(3, size=40)])

    assert (seqs(ring), ring.bytes) == ([2, 3], 80)


def test_it_keeps_no_entry_that_is_larger_than_itself() -> None:
    ring = make_ring(max_bytes=100)

    ring.extend([notice(1, size=40), notice(2, size=101)])

    assert (seqs(ring), ring.bytes) == ([], 0)
    assert after(ring, 1) is None


def test_it_finds_the_entries_after_a_cursor() -> None:
    ring = make_ring(max_frames=3)
    extend(ring, 1, 2, 3, 4, 5)

    assert after(ring, 2) == [3, 4, 5]
    assert after(ring, 4) == [5]


@pytest.mark.parametrize("cursor", [0, 1])
def test_it_finds_nothing_if_it_does_not_reach_back(cursor: int) -> None:
    ring = make_ring(max_frames=3)
    extend(ring, 1, 2, 3, 4, 5)

    assert after(ring, cursor) is None


def test_it_finds_at_most_max_bytes_but_at_least_one_entry() -> None:
    ring = make_ring()
    ring.extend([notice(1, size=40), notice(2, size=40), notice(3, size=40)])

    assert after(ring, 0, max_bytes=80) == [1, 2]
    assert after(ring, 0, max_bytes=1) == [1]


def test_it_starts_again_after_it_was_cleared() -> None:
    ring = make_ring()
    extend(ring, 1, 2)

    ring.clear()

    assert (after(ring, 0), ring.bytes) == (None, 0)
    extend(ring, 3)
    assert (after(ring, 1), after(ring, 2)) == (None, [3])


def test_it_drops_earlier_states_of_a_revised_message_and_all_before_them() -> None:
    ring = make_ring()
    ring.extend([notice(seq, message_id=seq, size=10) for seq in (1, 2, 3, 4)])

    ring.extend([notice(5, message_id=2, revises=True, size=10)])

    assert (seqs(ring), ring.bytes) == ([3, 4, 5], 30)


def test_it_drops_an_earlier_revision_too() -> None:
    ring = make_ring()
    ring.extend([notice(1, message_id=1), notice(2, message_id=1, revises=True), notice(3, message_id=3)])

    ring.extend([notice(4, message_id=1, revises=True)])

    assert seqs(ring) == [3, 4]


def test_it_keeps_all_if_the_revised_message_is_not_in_it() -> None:
    ring = make_ring()
    ring.extend([notice(1, message_id=1), notice(2)])

    ring.extend([notice(3, message_id=9, revises=True)])

    assert seqs(ring) == [1, 2, 3]
