"""The frame queue handles the frames of one socket in order, with a task only while an action waits."""

import asyncio

import pytest

from messaging.transport.frame_queue import READ_AHEAD, FrameQueue, RawFrame, run_now
from messaging.wire.actions import Action, Leave, Ping
from tests.unit.examples import ROOM

LEAVE, PING, BAD = "leave", "ping", "bad"


class Chat:
    """Both ends: leaves take as long as `gate` is closed, pings take no time, bad frames are no actions."""

    def __init__(self) -> None:
        self.done: list[object] = []
        self.gate = asyncio.Event()
        self.congested = False
        self.may_write = asyncio.Event()
        self.is_read = True
        self.frame_queue = FrameQueue(self, self, loop=asyncio.get_running_loop())

    def put(self, *frames: RawFrame) -> None:
        for frame in frames:
            self.frame_queue.put(frame)

    # -- as a handler -----------------------------------------------------------------------------------------------

    def decode(self, data: RawFrame) -> Action | None:
        name, _, number = str(data).partition(" ")
        if name == BAD:
            self.done.append(data)
            return None
        request_id = int(number or 0)
        return Ping(request_id=request_id) if name == PING else Leave(room=ROOM, request_id=request_id)

    def handle_now(self, action: Action) -> bool:
        if isinstance(action, Ping):
            self.done.append(f"ping {action.request_id}")
        return isinstance(action, Ping)

    async def handle(self, action: Action) -> None:
        if isinstance(action, Leave):
            await self.gate.wait()
        self.done.append(f"{action.name()} {action.request_id}")

    # -- as a source ------------------------------------------------------------------------------------------------

    async def writable(self) -> None:
        if self.congested:
            await self.may_write.wait()

    def pause_reading(self) -> None:
        self.is_read = False

    def resume_reading(self) -> None:
        self.is_read = True


async def settle() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


def tasks() -> int:
    return len(asyncio.all_tasks()) - 1


async def test_it_works() -> None:
    chat = Chat()
    chat.put("ping 1", "ping 2")

    assert chat.done == ["ping 1", "ping 2"]
    assert tasks() == 0


async def test_it_keeps_the_order_behind_what_waits() -> None:
    chat = Chat()
    chat.put("leave 1", "ping 2", "bad 3", "leave 4", "ping 5")
    await settle()
    assert chat.done == []

    chat.gate.set()
    await settle()

    assert chat.done == ["leave 1", "ping 2", "bad 3", "leave 4", "ping 5"]
    assert tasks() == 0


async def test_it_refuses_in_order() -> None:
    chat = Chat()
    chat.put("bad 1", "ping 2", "bad 3")

    assert chat.done == ["bad 1", "ping 2", "bad 3"]


async def test_it_does_nothing_for_whoever_does_not_read() -> None:
    chat = Chat()
    chat.congested = True
    chat.put("ping 1", "ping 2")
    await settle()
    assert chat.done == []

    chat.congested = False
    chat.may_write.set()
    await settle()

    assert chat.done == ["ping 1", "ping 2"]


async def test_it_reads_no_more_than_so_far_ahead() -> None:
    chat = Chat()
    chat.put("leave 0", *(f"ping {number}" for number in range(1, READ_AHEAD)))
    assert chat.is_read
    chat.put(f"ping {READ_AHEAD}")
    assert not chat.is_read

    chat.gate.set()
    await settle()

    assert chat.is_read
    assert len(chat.done) == READ_AHEAD + 1


async def test_it_ends_with_the_connection() -> None:
    chat = Chat()
    chat.put("leave 1", "ping 2")
    await settle()

    chat.frame_queue.stop()
    chat.gate.set()
    await settle()

    assert chat.done == []
    assert tasks() == 0


async def test_it_closes_when_idle() -> None:
    Chat().frame_queue.stop()


async def test_what_runs_now_may_not_wait() -> None:
    with pytest.raises(RuntimeError):
        run_now(asyncio.sleep(1))
