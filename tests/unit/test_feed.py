"""The feed of one room: the order of its entries, and what it keeps of them in memory."""

import pytest

from messaging.fanout.buffers import MAX_PARKED
from messaging.fanout.feed import Feed
from messaging.wire.limits import Limits
from rooms.notices import render_gap
from tests.unit.examples import ROOM
from tests.unit.in_memory import notice


def make_feed(
    *, head: int | None = 0, max_frames: int = 64, max_bytes: int = 64 * 1024, parked_max_bytes: int = 64 * 1024
) -> Feed:
    limits = Limits(ring_max_frames=max_frames, ring_max_bytes=max_bytes, parked_max_bytes=parked_max_bytes)
    feed = Feed(ROOM, limits=limits)
    if head is not None:
        feed.start(head)
    return feed


def accept(feed: Feed, *seqs: int) -> list[int]:
    return [found.seq for found in feed.accept([notice(seq) for seq in seqs])]


def ring(feed: Feed) -> list[int]:
    return [held.seq for held in feed.ring.notices]


def after(feed: Feed, cursor: int, *, max_bytes: int = 2**20) -> list[int] | None:
    found = feed.ring.after(cursor, max_bytes=max_bytes)
    return None if found is None else [held.seq for held in found]


def test_it_works() -> None:
    feed = make_feed(head=7)

    assert accept(feed, 8) == [8]
    assert accept(feed, 9, 10) == [9, 10]
    assert (feed.last, feed.known, feed.has_hole) == (10, 10, False)


# -- order and parked entries ---------------------------------------------------------------------------------------


def test_it_returns_entries_in_order() -> None:
    feed = make_feed()

    assert accept(feed, 3, 1, 2) == [1, 2, 3]


def test_it_parks_entries_beyond_the_next() -> None:
    feed = make_feed()

    assert accept(feed, 3) == []
    assert feed.has_hole
    assert accept(feed, 1) == [1]
    assert feed.has_hole
    assert accept(feed, 2) == [2, 3]
    assert not feed.has_hole


@pytest.mark.parametrize("seqs", [(1, 1), (2, 2, 1, 1), (1, 2, 1, 2)])
def test_it_returns_each_entry_once(seqs: tuple[int, ...]) -> None:
    feed = make_feed()

    assert accept(feed, *seqs) == sorted(set(seqs))
    assert accept(feed, *seqs) == []
    assert ring(feed) == sorted(set(seqs))


def test_it_ignores_entries_before_its_start() -> None:
    feed = make_feed(head=7)

    assert accept(feed, 6, 7) == []
    assert (feed.last, feed.has_hole) == (7, False)


def test_it_returns_nothing_before_a_head_was_read() -> None:
    feed = make_feed(head=None)

    assert accept(feed, 7, 8) == []
    assert (feed.last, feed.has_hole, ring(feed)) == (None, False, [])


def test_it_returns_what_it_parked_before_its_start() -> None:
    feed = make_feed(head=None)
    accept(feed, 9, 7, 8)

    feed.start(7)

    assert feed.has_hole
    assert accept(feed) == [8, 9]
    assert not feed.has_hole


def test_it_keeps_its_place_when_a_later_head_is_read() -> None:
    feed = make_feed(head=7)

    feed.start(9)

    assert (feed.last, feed.known, feed.has_hole) == (7, 9, True)


@pytest.mark.parametrize(("seq", "has_hole"), [(6, False), (7, False), (8, True)])
def test_it_has_a_hole_if_a_hint_is_beyond_its_last(seq: int, has_hole: bool) -> None:
    feed = make_feed(head=7)

    feed.hint(seq)

    assert feed.has_hole is has_hole


def test_it_parks_a_bounded_number_and_drops_the_latest() -> None:
    feed = make_feed()
    beyond = range(2, MAX_PARKED + 12)

    assert accept(feed, *beyond) == []
    assert accept(feed, 1) == list(range(1, MAX_PARKED + 2))
    assert feed.has_hole
    assert feed.known == beyond[-1]


def test_it_parks_a_bounded_number_before_a_head_was_read() -> None:
    feed = make_feed(head=None)
    accept(feed, *range(8, MAX_PARKED + 12))

    feed.start(7)

    assert len(accept(feed)) == MAX_PARKED


def test_it_parks_bounded_bytes_and_drops_the_latest() -> None:
    feed = make_feed(parked_max_bytes=100)

    assert feed.accept([notice(seq, size=40) for seq in (5, 3, 2, 4)]) == []
    assert feed.held_bytes == 80
    assert accept(feed, 1) == [1, 2, 3]
    assert (feed.known, feed.has_hole) == (5, True)


def test_it_parks_bounded_bytes_before_a_head_was_read() -> None:
    feed = make_feed(head=None, parked_max_bytes=100)

    feed.accept([notice(seq, size=40) for seq in (8, 9, 10, 11)])

    assert feed.held_bytes == 80


def test_it_counts_a_parked_entry_once() -> None:
    feed = make_feed()

    feed.accept([notice(2, size=40), notice(2, size=40), notice(2, size=30)])

    assert feed.held_bytes == 30


def test_it_does_not_count_parked_entries_that_it_passed_or_dropped() -> None:
    feed = make_feed(head=None)
    feed.accept([notice(3, size=40), notice(5, size=40), notice(7, size=40)])

    feed.start(3)
    assert feed.held_bytes == 80
    feed.accept([render_gap(ROOM, 4, 5)])
    assert feed.held_bytes == 40
    feed.drop_held()

    assert feed.held_bytes == 0
    assert accept(feed, 6) == [6]
    assert feed.has_hole


# -- gaps -----------------------------------------------------------------------------------------------------------


def test_it_goes_on_after_a_gap() -> None:
    feed = make_feed()
    accept(feed, 1, 6)

    found = feed.accept([render_gap(ROOM, 2, 5)])

    assert [(notice.covers_from, notice.seq) for notice in found] == [(2, 5), (None, 6)]
    assert (feed.last, feed.has_hole) == (6, False)


@pytest.mark.parametrize(("first", "last"), [(1, 5), (3, 5), (9, 12)])
def test_it_ignores_a_gap_that_is_not_next(first: int, last: int) -> None:
    feed = make_feed()
    accept(feed, 1)

    assert feed.accept([render_gap(ROOM, first, last)]) == []
    assert (feed.last, feed.known, feed.has_hole) == (1, last, True)


def test_it_returns_a_gap_once() -> None:
    feed = make_feed()

    assert len(feed.accept([render_gap(ROOM, 1, 5), render_gap(ROOM, 1, 5)])) == 1
    assert feed.accept([render_gap(ROOM, 1, 5)]) == []


def test_it_drops_what_was_parked_within_a_gap() -> None:
    feed = make_feed()
    accept(feed, 3, 7)

    assert len(feed.accept([render_gap(ROOM, 1, 5)])) == 1
    assert accept(feed, 6) == [6, 7]


def test_it_keeps_in_its_ring_only_what_comes_after_a_gap() -> None:
    feed = make_feed()
    accept(feed, 1, 2)

    feed.accept([render_gap(ROOM, 3, 5), notice(6)])

    assert ring(feed) == [6]
    assert (after(feed, 2), after(feed, 5)) == (None, [6])


# -- ring -----------------------------------------------------------------------------------------------------------


def test_it_keeps_the_newest_frames() -> None:
    feed = make_feed(max_frames=3)

    accept(feed, 1, 2, 3, 4, 5)

    assert ring(feed) == [3, 4, 5]


def test_it_keeps_the_ring_within_its_bytes() -> None:
    feed = make_feed(max_bytes=100)

    feed.accept([notice(1, size=40), notice(2, size=40), notice(3, size=40)])

    assert (ring(feed), feed.ring.bytes) == ([2, 3], 80)


def test_it_keeps_no_frame_that_is_larger_than_the_ring() -> None:
    feed = make_feed(max_bytes=100)

    assert len(feed.accept([notice(1, size=40), notice(2, size=101)])) == 2
    assert (ring(feed), feed.ring.bytes) == ([], 0)
    assert after(feed, 1) is None


def test_it_finds_the_entries_after_a_cursor() -> None:
    feed = make_feed(max_frames=3)
    accept(feed, 1, 2, 3, 4, 5)

    assert after(feed, 2) == [3, 4, 5]
    assert after(feed, 4) == [5]


@pytest.mark.parametrize("cursor", [0, 1])
def test_it_finds_nothing_if_the_ring_does_not_reach_back(cursor: int) -> None:
    feed = make_feed(max_frames=3)
    accept(feed, 1, 2, 3, 4, 5)

    assert after(feed, cursor) is None


def test_it_finds_at_most_max_bytes_but_at_least_one_entry() -> None:
    feed = make_feed()
    feed.accept([notice(1, size=40), notice(2, size=40), notice(3, size=40)])

    assert after(feed, 0, max_bytes=80) == [1, 2]
    assert after(feed, 0, max_bytes=1) == [1]


def test_it_starts_a_new_ring_after_it_was_cleared() -> None:
    feed = make_feed()
    accept(feed, 1, 2)

    feed.ring.clear()

    assert (after(feed, 0), feed.ring.bytes) == (None, 0)
    assert accept(feed, 3) == [3]
    assert (after(feed, 1), after(feed, 2)) == (None, [3])


def test_it_drops_earlier_states_of_a_revised_message_and_all_before_them() -> None:
    feed = make_feed()
    feed.accept([notice(seq, message_id=seq, size=10) for seq in (1, 2, 3, 4)])

    feed.accept([notice(5, message_id=2, revises=True, size=10)])

    assert (ring(feed), feed.ring.bytes) == ([3, 4, 5], 30)


def test_it_drops_an_earlier_revision_too() -> None:
    feed = make_feed()
    feed.accept([notice(1, message_id=1), notice(2, message_id=1, revises=True), notice(3, message_id=3)])

    feed.accept([notice(4, message_id=1, revises=True)])

    assert ring(feed) == [3, 4]


def test_it_keeps_its_ring_if_the_revised_message_is_not_in_it() -> None:
    feed = make_feed()
    feed.accept([notice(1, message_id=1), notice(2)])

    feed.accept([notice(3, message_id=9, revises=True)])

    assert ring(feed) == [1, 2, 3]
