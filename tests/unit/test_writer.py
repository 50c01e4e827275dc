"""The writer: submissions that arrive during one append form the next batch, in order, and each gets a verdict."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

import pytest

from foundation.errors import NotFound, Overloaded, Unavailable
from messaging.append.decide import Busy, Verdict
from messaging.append.submissions import Submission
from messaging.append.writer import BUSY_PAUSE_S, Appended, Writer
from messaging.wire.limits import Limits
from messaging.wire.shapes import Sent
from rooms.notices import Notice, RoomHint
from tests.unit.examples import OTHER_ROOM, ROOM, submission

T = TypeVar("T")
TIMEOUT_S = 5.0


class StepExecutor(Executor):
    """Runs one submitted call at each step, and nothing between steps."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], None]] = []

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        future: Future[T] = Future()

        def work() -> None:
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - as every executor does
                future.set_exception(error)

        self.calls.append(work)
        return future

    async def step(self) -> None:
        """Runs the submitted batch. Lets its verdicts arrive, and the next batch be submitted."""
        await settle()
        self.calls.pop(0)()
        await settle()


class RoomLog:
    """Appends every submission. A room is busy for as many attempts as `busy` says."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.written: list[str] = []
        self.busy = {ROOM: 0, OTHER_ROOM: 0}
        self.failures = 0

    def append(self, submissions: Sequence[Submission]) -> Appended:
        self.batches.append([submission.text for submission in submissions])
        if self.failures:
            self.failures -= 1
            raise ConnectionError("the database is away")
        busy = {room for room in {submission.room_id for submission in submissions} if self.busy[room]}
        for room in busy:
            self.busy[room] -= 1
        verdicts = [
            Busy(retry_after=1) if submission.room_id in busy else self._append(submission)
            for submission in submissions
        ]
        return Appended(verdicts, [RoomHint(v.room, v.seq) for v in verdicts if isinstance(v, Sent)])

    def _append(self, submission: Submission) -> Verdict:
        if submission.text == "refuse":
            return NotFound()
        self.written.append(submission.text)
        return Sent(room=submission.room_id, id=len(self.written), seq=len(self.written), created_at="")


def submit(writer: Writer, message: Submission) -> asyncio.Future[Verdict]:
    """Submits `message`. Returns a future of its verdict."""
    verdict: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
    writer.submit(message, verdict.set_result)
    return verdict


async def settle() -> None:
    """Runs everything that is ready, without moving the clock."""
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
def log() -> RoomLog:
    return RoomLog()


@pytest.fixture
def executor() -> StepExecutor:
    return StepExecutor()


@pytest.fixture
def broadcasts() -> list[Sequence[Notice]]:
    """The notices of each broadcast."""
    return []


MakeWriter = Callable[..., Writer]


@pytest.fixture
def make_writer(log: RoomLog, executor: StepExecutor, broadcasts: list[Sequence[Notice]]) -> MakeWriter:
    """Returns a function that makes a writer of `log` with the given limits. It must be called on the loop."""

    def make(**limits: Any) -> Writer:
        loop = asyncio.get_running_loop()
        return Writer(
            append=lambda submissions: loop.run_in_executor(executor, log.append, submissions),
            broadcast=broadcasts.append,
            loop=loop,
            limits=Limits(**limits),
        )

    return make


async def test_it_works(make_writer: MakeWriter, executor: StepExecutor) -> None:
    verdict = submit(make_writer(), submission("a"))

    await executor.step()

    assert verdict.result() == Sent(room=ROOM, id=1, seq=1, created_at="")


async def test_it_gives_each_submission_its_own_verdict(make_writer: MakeWriter, executor: StepExecutor) -> None:
    writer = make_writer()
    verdicts = [submit(writer, submission(text)) for text in ("a", "refuse", "b")]

    await executor.step()

    assert [type(verdict.result()) for verdict in verdicts] == [Sent, NotFound, Sent]


# -- batches ------------------------------------------------------------------------------------------------------


async def test_it_batches_the_submissions_that_arrive_during_an_append(
    make_writer: MakeWriter, executor: StepExecutor, log: RoomLog
) -> None:
    writer = make_writer()
    submit(writer, submission("a"))
    await settle()
    for text in "bcd":
        submit(writer, submission(text))
        await settle()

    assert len(executor.calls) == 1  # one batch at a time
    await executor.step()
    await executor.step()

    assert log.batches == [["a"], ["b", "c", "d"]]
    assert executor.calls == []


async def test_it_does_not_wait_when_idle(make_writer: MakeWriter, executor: StepExecutor) -> None:
    writer = make_writer()
    for _ in range(3):
        verdict = submit(writer, submission("a"))
        await executor.step()
        assert verdict.done()

    assert asyncio.get_running_loop().time() == 0


async def test_it_splits_a_large_backlog_into_batches_in_order(
    make_writer: MakeWriter, executor: StepExecutor, log: RoomLog
) -> None:
    writer = make_writer(writer_batch=3)
    for text in "abcdefgh":
        submit(writer, submission(text))

    for _ in range(3):
        await executor.step()

    assert log.batches == [["a", "b", "c"], ["d", "e", "f"], ["g", "h"]]


async def test_it_answers_a_batch_before_the_next_is_done(make_writer: MakeWriter, executor: StepExecutor) -> None:
    writer = make_writer(writer_batch=1)
    first, second = submit(writer, submission("a")), submit(writer, submission("b"))

    await executor.step()

    assert (first.done(), second.done()) == (True, False)
    await executor.step()
    assert second.done()


async def test_it_broadcasts_a_batch_after_its_senders_have_their_verdicts(
    make_writer: MakeWriter, executor: StepExecutor, broadcasts: list[Sequence[Notice]]
) -> None:
    writer, verdicts = make_writer(), []
    for text in "ab":
        writer.submit(submission(text), lambda verdict: verdicts.append((verdict, list(broadcasts))))

    await executor.step()

    assert [before for _, before in verdicts] == [[], []]
    assert broadcasts == [[RoomHint(ROOM, 1), RoomHint(ROOM, 2)]]


async def test_it_continues_if_a_verdict_cannot_be_delivered(
    make_writer: MakeWriter, executor: StepExecutor, log: RoomLog, caplog: pytest.LogCaptureFixture
) -> None:
    writer = make_writer()
    gone = submit(writer, submission("a"))
    gone.cancel()
    other = submit(writer, submission("b"))

    await executor.step()

    assert other.done()
    assert log.written == ["a", "b"]
    assert [record.levelname for record in caplog.records] == ["ERROR"]


# -- bounds -------------------------------------------------------------------------------------------------------


async def test_it_refuses_a_submission_if_the_backlog_is_full(
    make_writer: MakeWriter, executor: StepExecutor, log: RoomLog
) -> None:
    writer = make_writer(writer_backlog=2)
    submit(writer, submission("a"))
    submit(writer, submission("b"))

    with pytest.raises(Overloaded) as refusal:
        submit(writer, submission("c"))
    await executor.step()
    submit(writer, submission("d"))
    await executor.step()

    assert refusal.value.retry_after
    assert log.written == ["a", "b", "d"]


# -- busy rooms ---------------------------------------------------------------------------------------------------


async def test_it_answers_other_rooms_while_it_retries_a_busy_one(
    make_writer: MakeWriter, executor: StepExecutor, log: RoomLog
) -> None:
    log.busy[ROOM] = 1
    writer = make_writer()
    busy, other = submit(writer, submission("a")), submit(writer, submission("b", room=OTHER_ROOM))

    await executor.step()
    assert (busy.done(), other.done()) == (False, True)
    await asyncio.sleep(BUSY_PAUSE_S)
    await executor.step()

    assert isinstance(busy.result(), Sent)
    assert log.written == ["b", "a"]


async def test_it_keeps_the_order_of_a_busy_room(make_writer: MakeWriter, executor: StepExecutor, log: RoomLog) -> None:
    log.busy[ROOM] = 2
    writer = make_writer()
    for text in ("a", "b", "c"):
        submit(writer, submission(text))
    submit(writer, submission("x", room=OTHER_ROOM))
    await settle()
    submit(writer, submission("d"))  # arrives during the first append

    for _ in range(3):
        await executor.step()
        await asyncio.sleep(BUSY_PAUSE_S)

    assert log.batches == [["a", "b", "c", "x"], ["a", "b", "c", "d"], ["a", "b", "c", "d"]]
    assert log.written == ["x", "a", "b", "c", "d"]


async def test_it_pauses_before_it_retries_a_busy_room(
    make_writer: MakeWriter, executor: StepExecutor, log: RoomLog
) -> None:
    log.busy[ROOM] = 1
    submit(make_writer(), submission("a"))

    await executor.step()
    await asyncio.sleep(BUSY_PAUSE_S * 0.9)
    assert executor.calls == []
    await asyncio.sleep(BUSY_PAUSE_S * 0.2)

    assert len(executor.calls) == 1


async def test_it_gives_up_on_a_busy_room_at_the_deadline(
    make_writer: MakeWriter, executor: StepExecutor, log: RoomLog
) -> None:
    log.busy[ROOM] = 10**6
    writer = make_writer(writer_patience_s=1)
    early = submit(writer, submission("a"))
    await executor.step()
    await asyncio.sleep(0.5)
    late = submit(writer, submission("b"))

    await asyncio.sleep(0.5)
    await executor.step()  # "a" alone, which was submitted before "b" arrived
    assert isinstance(early.result(), Busy)
    assert early.result().code == "overloaded"  # type: ignore[union-attr]
    assert not late.done()

    log.busy[ROOM] = 0
    await asyncio.sleep(BUSY_PAUSE_S)
    await executor.step()
    assert isinstance(late.result(), Sent)


async def test_it_answers_other_rooms_if_a_busy_room_fills_a_batch(
    make_writer: MakeWriter, executor: StepExecutor, log: RoomLog
) -> None:
    log.busy[ROOM] = 10**6
    writer = make_writer(writer_batch=3)
    for text in ("a", "b", "c"):
        submit(writer, submission(text))
    other = submit(writer, submission("x", room=OTHER_ROOM))

    for _ in range(3):
        await executor.step()
        await asyncio.sleep(BUSY_PAUSE_S)

    assert other.done()


# -- failures -----------------------------------------------------------------------------------------------------


async def test_it_answers_unavailable_if_the_append_fails(
    make_writer: MakeWriter, executor: StepExecutor, log: RoomLog, caplog: pytest.LogCaptureFixture
) -> None:
    log.failures = 1
    writer = make_writer(writer_batch=2)
    verdicts = [submit(writer, submission(text)) for text in "abc"]

    await executor.step()
    await executor.step()

    assert [type(verdict.result()) for verdict in verdicts] == [Unavailable, Unavailable, Sent]
    assert verdicts[0].result().retry_after  # type: ignore[union-attr]
    assert [record.levelname for record in caplog.records] == ["ERROR"]


async def test_it_continues_after_a_failure(make_writer: MakeWriter, executor: StepExecutor, log: RoomLog) -> None:
    log.failures = 1
    writer = make_writer()
    submit(writer, submission("a"))
    await executor.step()

    verdict = submit(writer, submission("b"))
    await executor.step()

    assert isinstance(verdict.result(), Sent)


# -- draining -----------------------------------------------------------------------------------------------------


async def test_it_drains_at_once_if_the_backlog_is_empty(make_writer: MakeWriter) -> None:
    await make_writer().drain()


async def test_it_drains_until_every_submission_has_its_verdict(
    make_writer: MakeWriter, executor: StepExecutor, log: RoomLog
) -> None:
    log.busy[ROOM] = 1
    writer = make_writer(writer_batch=2)
    verdicts = [submit(writer, submission(text)) for text in "abc"]
    drained = asyncio.create_task(writer.drain())

    await executor.step()
    await asyncio.sleep(BUSY_PAUSE_S)
    await executor.step()
    assert not drained.done()
    await executor.step()
    await drained

    assert all(isinstance(verdict.result(), Sent) for verdict in verdicts)
    assert log.written == ["a", "b", "c"]


# -- threads ------------------------------------------------------------------------------------------------------


async def test_it_batches_submissions_while_a_thread_appends(log: RoomLog) -> None:
    loop, has_begun, may_end = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def append(submissions: Sequence[Submission]) -> Appended:
        loop.call_soon_threadsafe(has_begun.set)
        assert may_end.wait(TIMEOUT_S)
        return log.append(submissions)

    writer = Writer(
        append=lambda submissions: asyncio.to_thread(append, submissions),
        broadcast=lambda notices: None,
        loop=loop,
        limits=Limits(),
    )
    first = submit(writer, submission("a"))
    await has_begun.wait()
    others = [submit(writer, submission(text)) for text in "bcd"]
    assert not first.done()

    may_end.set()
    await writer.drain()

    assert log.batches == [["a"], ["b", "c", "d"]]
    assert all(isinstance(verdict.result(), Sent) for verdict in [first, *others])
