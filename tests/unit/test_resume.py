"""Where a follower starts."""

import pytest

from messaging.fanout.resume import Plan, plan_resume


def plan(
    after: int | None, *, head: int = 100, floor: int = 1, max_replay: int = 1_000, is_same_epoch: bool = True
) -> Plan:
    return plan_resume(after=after, head=head, floor=floor, max_replay=max_replay, is_same_epoch=is_same_epoch)


def test_it_works() -> None:
    assert plan(40) == Plan(cursor=40, resync=False, replayed=60)


@pytest.mark.parametrize(("after", "replayed"), [(0, 100), (99, 1), (100, 0)])
def test_it_replays_the_entries_after_the_cursor(after: int, replayed: int) -> None:
    assert plan(after) == Plan(cursor=after, resync=False, replayed=replayed)


def test_it_starts_at_the_head_if_no_replay_is_asked_for() -> None:
    assert plan(None) == Plan(cursor=100, resync=False, replayed=0)


@pytest.mark.parametrize("after", [101, 2**53 - 1])
def test_it_resyncs_a_client_beyond_the_head(after: int) -> None:
    assert plan(after) == Plan(cursor=100, resync=True, replayed=0)


@pytest.mark.parametrize("after", [None, 0, 40, 100, 101])
def test_it_resyncs_a_client_of_another_epoch(after: int | None) -> None:
    assert plan(after, is_same_epoch=False) == Plan(cursor=100, resync=True, replayed=0)


def test_it_replays_up_to_max_replay_entries() -> None:
    assert plan(40, max_replay=60).resync is False
    assert plan(100, max_replay=0).resync is False


def test_it_resyncs_if_more_than_max_replay_is_missing() -> None:
    assert plan(40, max_replay=59) == Plan(cursor=100, resync=True, replayed=0)
    assert plan(99, max_replay=0) == Plan(cursor=100, resync=True, replayed=0)


def test_it_does_not_count_entries_that_retention_deleted() -> None:
    assert plan(0, floor=91, max_replay=10) == Plan(cursor=0, resync=False, replayed=10)
    assert plan(0, floor=90, max_replay=10).resync is True


def test_it_replays_nothing_if_retention_deleted_all() -> None:
    assert plan(0, floor=101, max_replay=0) == Plan(cursor=0, resync=False, replayed=0)
