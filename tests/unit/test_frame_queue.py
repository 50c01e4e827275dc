"""The queue of a client's frames: handled in order, with a task only while an action waits."""

import asyncio

from messaging.transport.frame_queue import READ_AHEAD, FrameQueue, RawFrame
from messaging.wire.actions import Action, Leave, Ping
from tests.unit.examples import ROOM

LEAVE, PING, BAD = "leave", "ping", "bad"


class Client:
    """Both the handler and the source of frames.

    A `leave` waits for `may_leave`, a `ping` does not wait, and a `bad` frame is refused.
    """

    def __init__(self) -> None:
        self.done: list[object] = []
        self.may_leave = asyncio.Event()
        self.congested = False
        self.may_write = asyncio.Event()
        self.is_being_read = True
        self.frame_queue = FrameQueue(self, self, loop=asyncio.get_running_loop())

    def put(self, *frames: RawFrame) -> None:
        for frame in frames:
            self.frame_queue.put(frame)

    # -- as a `FrameHandler` ------------------------------------------------------------------------------------------

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
            await self.may_leave.wait()
        self.done.append(f"{action.name()} {action.request_id}")

    # -- as a `FrameSource` -------------------------------------------------------------------------------------------

    async def writable(self) -> None:
        if self.congested:
            await self.may_write.wait()

    def pause_reading(self) -> None:
        self.is_being_read = False

    def resume_reading(self) -> None:
        self.is_being_read = True


async def settle() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


def tasks() -> int:
    return len(asyncio.all_tasks()) - 1


async def test_it_works() -> None:
    client = Client()
    client.put("ping 1", "ping 2")

    assert client.done == ["ping 1", "ping 2"]
    assert tasks() == 0


async def test_frames_wait_for_the_action_before_them() -> None:
    client = Client()
    client.put("leave 1", "ping 2", "bad 3", "leave 4", "ping 5")
    await settle()
    assert client.done == []

    client.may_leave.set()
    await settle()

    assert client.done == ["leave 1", "ping 2", "bad 3", "leave 4", "ping 5"]
    assert tasks() == 0


async def test_a_refused_frame_keeps_its_place() -> None:
    client = Client()
    client.put("bad 1", "ping 2", "bad 3")

    assert client.done == ["bad 1", "ping 2", "bad 3"]


async def test_frames_of_a_congested_socket_wait() -> None:
    client = Client()
    client.congested = True
    client.put("ping 1", "ping 2")
    await settle()
    assert client.done == []

    client.congested = False
    client.may_write.set()
    await settle()

    assert client.done == ["ping 1", "ping 2"]


async def test_it_pauses_the_source_when_it_is_full() -> None:
    client = Client()
    client.put("leave 0", *(f"ping {number}" for number in range(1, READ_AHEAD)))
    assert client.is_being_read
    client.put(f"ping {READ_AHEAD}")
    assert not client.is_being_read

    client.may_leave.set()
    await settle()

    assert client.is_being_read
    assert len(client.done) == READ_AHEAD + 1


async def test_stopping_cancels_the_action_and_drops_the_queue() -> None:
    client = Client()
    client.put("leave 1", "ping 2")
    await settle()

    client.frame_queue.stop()
    client.may_leave.set()
    await settle()

    assert client.done == []
    assert tasks() == 0


async def test_it_can_be_stopped_when_idle() -> None:
    Client().frame_queue.stop()
