"""Pages of the log: read once for all that want them, kept while in use, and checked for holes."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from messaging.fanout.pages import KEEP_S, EntryPage, Pages
from rooms.notices import RoomNotice
from tests.unit.examples import OTHER_ROOM, ROOM
from tests.unit.in_memory import READ_S, Log, notice

SIZE, MAX_BYTES = 5, 1_000


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
async def pages(log: Log) -> AsyncIterator[Pages]:
    pages = Pages(log.read_page, loop=asyncio.get_running_loop(), size=SIZE, max_bytes=MAX_BYTES)
    yield pages
    await pages.close()


def seqs(notices: list[RoomNotice]) -> list[int]:
    return [found.seq for found in notices]


async def test_it_works(pages: Pages, log: Log) -> None:
    log.commit(7)

    assert seqs(await pages.read_after(ROOM, 0)) == [1, 2, 3, 4, 5]
    assert seqs(await pages.read_after(ROOM, 5)) == [6, 7]


@pytest.mark.parametrize(("cursor", "expected"), [(1, [2, 3, 4, 5]), (4, [5]), (5, [6, 7]), (6, [7])])
async def test_it_returns_the_entries_after_a_cursor(pages: Pages, log: Log, cursor: int, expected: list[int]) -> None:
    log.commit(7)

    assert seqs(await pages.read_after(ROOM, cursor)) == expected


@pytest.mark.parametrize("cursor", [7, 10, 12])
async def test_it_returns_nothing_at_the_end_of_the_log(pages: Pages, log: Log, cursor: int) -> None:
    log.commit(7)

    assert await pages.read_after(ROOM, cursor) == []


# -- sharing --------------------------------------------------------------------------------------------------------


async def test_it_reads_a_page_once_for_concurrent_callers(pages: Pages, log: Log) -> None:
    log.commit(7)

    found = await asyncio.gather(*(pages.read_after(ROOM, cursor) for cursor in (0, 3, 3, 5, 6)))

    assert [seqs(notices) for notices in found] == [[1, 2, 3, 4, 5], [4, 5], [4, 5], [6, 7], [7]]
    assert sorted(log.reads) == [(ROOM, 0), (ROOM, 5)]


async def test_it_keeps_a_page_while_it_is_in_use(pages: Pages, log: Log) -> None:
    log.commit(5)
    await pages.read_after(ROOM, 0)
    await asyncio.sleep(KEEP_S * 0.9)

    await pages.read_after(ROOM, 2)
    assert len(log.reads) == 1
    await asyncio.sleep(KEEP_S * 2.2)
    await pages.read_after(ROOM, 2)

    assert len(log.reads) == 2


async def test_it_keeps_a_page_that_took_long_to_read(log: Log) -> None:
    async def read_page(room_id: UUID, after: int, limit: int) -> EntryPage:
        await asyncio.sleep(KEEP_S * 2)
        return await log.read_page(room_id, after, limit)

    pages = Pages(read_page, loop=asyncio.get_running_loop(), size=SIZE, max_bytes=MAX_BYTES)
    log.commit(5)

    await pages.read_after(ROOM, 0)
    await pages.read_after(ROOM, 2)

    assert len(log.reads) == 1
    await pages.close()


async def test_it_reads_a_page_again_if_the_log_has_grown(pages: Pages, log: Log) -> None:
    log.commit(4)
    await pages.read_after(ROOM, 0)
    log.commit()

    assert seqs(await pages.read_after(ROOM, 4)) == [5]


async def test_it_keeps_rooms_apart(pages: Pages, log: Log) -> None:
    log.commit(5)
    log.commit(5, room=OTHER_ROOM)

    await pages.read_after(ROOM, 0)

    assert [found.room_id for found in await pages.read_after(OTHER_ROOM, 0)] == [OTHER_ROOM] * 5


async def test_it_reads_a_forgotten_page_again(pages: Pages, log: Log) -> None:
    for room in (ROOM, OTHER_ROOM):
        log.commit(5, room=room)
        await pages.read_after(room, 0)

    pages.forget(ROOM)
    await pages.read_after(ROOM, 0)
    await pages.read_after(OTHER_ROOM, 0)

    assert log.reads == [(ROOM, 0), (OTHER_ROOM, 0), (ROOM, 0)]


async def test_it_does_not_share_a_read_that_began_before_its_room_was_forgotten(pages: Pages, log: Log) -> None:
    log.commit(5)
    first = asyncio.create_task(pages.read_after(ROOM, 0))
    await asyncio.sleep(READ_S / 2)

    pages.forget(ROOM)
    log.entries[ROOM][0] = notice(1, size=9)
    second = await pages.read_after(ROOM, 0)
    await first
    third = await pages.read_after(ROOM, 0)

    assert len(second[0].payload) == len(third[0].payload) == 9


async def test_it_keeps_a_page_for_its_full_time_though_an_older_one_was_forgotten(pages: Pages, log: Log) -> None:
    log.commit(5)
    await pages.read_after(ROOM, 0)
    await asyncio.sleep(KEEP_S / 2)
    pages.forget(ROOM)
    await pages.read_after(ROOM, 0)

    await asyncio.sleep(KEEP_S * 0.8)
    await pages.read_after(ROOM, 0)

    assert len(log.reads) == 2


# -- the bound in bytes ---------------------------------------------------------------------------------------------


async def test_it_keeps_at_most_max_bytes(pages: Pages, log: Log) -> None:
    log.commit(15, size=MAX_BYTES // 10)  # two of its pages fit into the bound
    for cursor in (0, 5, 10):
        await pages.read_after(ROOM, cursor)
    log.reads.clear()

    for cursor in (10, 5, 0):
        await pages.read_after(ROOM, cursor)

    assert log.reads == [(ROOM, 0)]


async def test_it_drops_the_least_recently_used_page_first(pages: Pages, log: Log) -> None:
    log.commit(15, size=MAX_BYTES // 10)
    for cursor in (0, 5, 0, 10):
        await pages.read_after(ROOM, cursor)
    log.reads.clear()

    for cursor in (0, 10, 5):
        await pages.read_after(ROOM, cursor)

    assert log.reads == [(ROOM, 5)]


async def test_it_returns_a_page_that_is_too_large_to_be_kept(pages: Pages, log: Log) -> None:
    log.commit(5, size=MAX_BYTES)

    for _ in range(2):
        assert seqs(await pages.read_after(ROOM, 0)) == [1, 2, 3, 4, 5]
    assert len(log.reads) == 2


async def test_it_does_not_count_dropped_pages(pages: Pages, log: Log) -> None:
    log.commit(10, size=MAX_BYTES // 10)
    await pages.read_after(ROOM, 0)
    await asyncio.sleep(KEEP_S * 1.1)
    for _ in range(3):
        await pages.read_after(ROOM, 0)
        await pages.read_after(ROOM, 5)
        pages.forget(ROOM)
    log.reads.clear()

    for cursor in (0, 5, 0, 5):
        await pages.read_after(ROOM, cursor)

    assert log.reads == [(ROOM, 0), (ROOM, 5)]


# -- failures -------------------------------------------------------------------------------------------------------


async def test_it_raises_what_the_reader_raises_and_reads_again(pages: Pages, log: Log) -> None:
    log.commit(5)
    log.failures = 1

    with pytest.raises(ConnectionError):
        await pages.read_after(ROOM, 0)
    assert seqs(await pages.read_after(ROOM, 0)) == [1, 2, 3, 4, 5]


async def test_it_finishes_a_read_for_the_others_if_one_caller_is_cancelled(pages: Pages, log: Log) -> None:
    log.commit(5)
    first, second = asyncio.create_task(pages.read_after(ROOM, 0)), asyncio.create_task(pages.read_after(ROOM, 0))
    await asyncio.sleep(READ_S / 2)

    first.cancel()

    assert seqs(await second) == [1, 2, 3, 4, 5]
    assert len(log.reads) == 1


async def test_it_ends_before_a_hole_and_logs_an_error(
    pages: Pages, log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    log.commit(5)
    del log.entries[ROOM][2]

    assert seqs(await pages.read_after(ROOM, 0)) == [1, 2]
    assert await pages.read_after(ROOM, 2) == []
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]


# -- retention ------------------------------------------------------------------------------------------------------


async def test_it_begins_with_the_gap_that_retention_left(pages: Pages, log: Log) -> None:
    log.commit(5)
    log.floor = 4

    gap, *rest = await pages.read_after(ROOM, 1)

    assert (gap.covers_from, gap.seq) == (2, 3)
    assert seqs(rest) == [4, 5]


async def test_it_goes_on_after_a_gap_of_many_pages(pages: Pages, log: Log) -> None:
    log.commit(20)
    log.floor = 14

    gap, *rest = await pages.read_after(ROOM, 2)

    assert (gap.covers_from, gap.seq) == (3, 13)
    assert seqs(rest) == [14, 15, 16, 17, 18]
    assert seqs(await pages.read_after(ROOM, 13)) == [14, 15, 16, 17, 18]


async def test_it_returns_only_a_gap_if_retention_deleted_all(pages: Pages, log: Log) -> None:
    log.commit(5)
    log.floor = 6

    (gap,) = await pages.read_after(ROOM, 2)

    assert (gap.covers_from, gap.seq) == (3, 5)
    assert await pages.read_after(ROOM, 5) == []


async def test_it_returns_no_gap_right_before_the_floor(pages: Pages, log: Log) -> None:
    log.commit(5)
    log.floor = 4

    assert seqs(await pages.read_after(ROOM, 3)) == [4, 5]


async def test_it_leaves_out_entries_that_retention_deleted_during_the_read() -> None:
    async def read_page(room_id: UUID, after: int, limit: int) -> EntryPage:
        return EntryPage(floor=4, notices=[notice(seq) for seq in range(1, 6)])

    pages = Pages(read_page, loop=asyncio.get_running_loop(), size=SIZE, max_bytes=MAX_BYTES)

    gap, *rest = await pages.read_after(ROOM, 0)

    assert (gap.covers_from, gap.seq, seqs(rest)) == (1, 3, [4, 5])


# -- the end --------------------------------------------------------------------------------------------------------


async def test_it_stops_reading_when_closed(pages: Pages, log: Log) -> None:
    log.commit(5)
    waiting = asyncio.create_task(pages.read_after(ROOM, 0))
    await asyncio.sleep(READ_S / 2)

    await pages.close()

    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert asyncio.all_tasks() == {asyncio.current_task()}
