"""`run_now` drives the `handle_action` of the installed djangochannelsrestframework, which must not wait.

If a test of this file fails after an upgrade, the library has begun to await something around an action. Then `ping`
and `send` can no longer be handled in the step that reads them (docs/decisions/0015-dcrf-as-it-is-used.md).
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

import pytest
from asgiref.typing import ASGISendEvent
from djangochannelsrestframework.consumers import AsyncAPIConsumer

from foundation.schema import timestamp
from messaging.append.writer import Appended
from messaging.consumers.chat import ChatConsumer
from messaging.database_threads import DatabaseThreads
from messaging.engine import Engine
from messaging.selectors.handshakes import Admitted
from messaging.transport.frame_queue import run_now
from messaging.wire.actions import Action, Leave, Ping, Send
from messaging.wire.limits import Limits
from messaging.wire.shapes import Sent
from tests.unit.examples import AT, ROOM, principal

P = ParamSpec("P")
T = TypeVar("T")

WINDOW, BACKLOG = 3, 2  # sends in flight, and sends that wait for the database


class NoThreads(DatabaseThreads):
    """Calls on the loop what would be called on a thread."""

    def __init__(self) -> None:
        super().__init__(0, name="none")

    async def run(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return fn(*args, **kwargs)


class Connected:
    """A real consumer on a real engine, after the handshake. Every message that is appended becomes the first."""

    def __init__(self) -> None:
        self.replies: list[dict[str, Any]] = []
        sent = Sent(room=ROOM, id=1, seq=1, created_at=timestamp(AT))
        self.engine = Engine(
            limits=Limits(send_window=WINDOW, writer_backlog=BACKLOG),
            layer=None,
            readers=NoThreads(),
            writer_thread=NoThreads(),
            append=lambda batch: Appended([sent] * len(batch), []),
            broadcast=lambda notices: None,
        )
        self.consumer = ChatConsumer()
        self.consumer.engine = self.engine
        self.consumer.scope = {}
        self.consumer.base_send = self._send
        self.consumer.begin(Admitted(principal(), epoch=UUID(int=1), version=0))

    def run_now(self, action: Action) -> None:
        run_now(self.consumer.handle_action(action.name(), action.request_id, frame=action))

    async def _send(self, event: ASGISendEvent) -> None:
        assert event["type"] == "websocket.send"
        frame = json.loads(event["text"] or "")
        if "response_status" in frame:
            self.replies.append(frame)


@pytest.fixture
async def connected() -> AsyncIterator[Connected]:
    connected = Connected()
    yield connected
    await connected.engine.close()


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_it_works(connected: Connected) -> None:
    connected.run_now(Ping(request_id=1))
    await settle()

    (reply,) = connected.replies
    assert (reply["action"], reply["request_id"], reply["response_status"]) == ("ping", 1, 200)


async def test_it_runs_a_send_while_the_window_is_open(connected: Connected) -> None:
    for number in range(2):
        connected.run_now(Send(request_id=number, room=ROOM, text="hi"))
    assert connected.replies == []
    await settle()

    assert [(reply["request_id"], reply["response_status"]) for reply in connected.replies] == [(0, 201), (1, 201)]


async def test_it_runs_a_send_that_is_refused(connected: Connected) -> None:
    """The library does not wait where it handles an exception either."""
    for number in range(BACKLOG + 1):
        connected.run_now(Send(request_id=number, room=ROOM, text="hi"))
    await settle()

    statuses = {reply["request_id"]: reply["response_status"] for reply in connected.replies}
    assert statuses == {0: 201, 1: 201, 2: 503}


async def test_the_consumer_handles_at_once_what_does_not_wait(connected: Connected) -> None:
    assert connected.consumer.handle_now(Ping())
    assert connected.consumer.handle_now(Send(room=ROOM, text="hi"))
    assert not connected.consumer.handle_now(Leave(room=ROOM))
    await settle()

    assert [reply["action"] for reply in connected.replies] == ["ping", "send"]


async def test_the_consumer_does_not_handle_a_send_at_once_when_the_window_is_full(connected: Connected) -> None:
    for _ in range(WINDOW):
        await connected.consumer.socket.window.acquire()
    assert not connected.consumer.handle_now(Send(room=ROOM, text="hi"))

    connected.consumer.socket.window.release()

    assert connected.consumer.handle_now(Send(room=ROOM, text="hi"))


async def test_it_raises_if_a_coroutine_waits() -> None:
    with pytest.raises(RuntimeError):
        run_now(asyncio.sleep(1))


async def test_it_raises_if_the_library_waits(connected: Connected, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the tests above would notice."""
    check_permissions = AsyncAPIConsumer.check_permissions

    async def waits(self: AsyncAPIConsumer, action: str, **kwargs: Any) -> None:
        await asyncio.sleep(0)
        await check_permissions(self, action, **kwargs)

    monkeypatch.setattr(AsyncAPIConsumer, "check_permissions", waits)
    with pytest.raises(RuntimeError):
        connected.run_now(Ping())
    await settle()

    assert connected.replies == []
