"""The feed of one room: the order of its entries, and what it keeps of them in memory."""

import pytest

from messaging.fanout.buffers import MAX_PARKED
from messaging.fanout.feed import Feed
from messaging.wire.limits import Limits
from rooms.notices import render_gap
from tests.unit.examples import ROOM
from tests.unit.in_memory import notice


def make_feed(*, head: int | None = 0, **limits: int) -> Feed:
    feed = Feed(ROOM, limits=Limits(**limits))
    if head is not None:
        feed.start(head)
    return feed


def accept(feed: Feed, *seqs: int) -> list[int]:
    return [found.seq for found in feed.accept([notice(seq) for seq in seqs])]


def ring(feed: Feed) -> list[int]:
    return [held.seq for held in feed.ring.notices]


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


def test_it_returns_an_entry_that_is_larger_than_its_ring() -> None:
    feed = make_feed(ring_max_bytes=100)

    assert len(feed.accept([notice(1, size=40), notice(2, size=101)])) == 2
    assert accept(feed, 3) == [3]
    assert ring(feed) == [3]


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
    assert feed.ring.after(2, max_bytes=1) is None
    assert feed.ring.after(5, max_bytes=1) == [notice(6)]
