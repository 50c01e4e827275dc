"""Towards any ASGI application, our WebSocket protocol class behaves as the class of uvicorn that it extends."""

import asyncio
import gc
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from messaging.transport.uvicorn_protocol import RoomlogProtocol
from tests.engine import only_on

pytestmark = only_on("sqlite")

Talk = Callable[[ClientConnection], Awaitable[Any]]


class Application:
    """Echoes what it receives and records the events. On `close` it closes, on `slow` it waits before it answers."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/refused/":
            await receive()
            await send({"type": "websocket.close"})
            return
        while True:
            event = await receive()
            self.events.append(event)
            if event["type"] == "websocket.connect":
                await send({"type": "websocket.accept"})
            elif event["type"] == "websocket.disconnect":
                return
            elif event.get("text") == "close":
                await send({"type": "websocket.close", "code": 4321, "reason": "enough"})
            else:
                if event.get("text") == "slow":
                    await asyncio.sleep(0.05)
                await send({"type": "websocket.send", "text": event.get("text"), "bytes": event.get("bytes")})


@asynccontextmanager
async def serving(protocol: type[asyncio.Protocol], application: Application, **options: Any) -> AsyncIterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        application,
        ws=protocol,
        interface="asgi3",
        lifespan="off",
        log_level="critical",
        ws_max_size=1000,
        ws_per_message_deflate=False,
        **options,
    )
    server = uvicorn.Server(config)
    serve = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.005)
    yield f"ws://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    await serve


async def echoes(client: ClientConnection) -> list[Any]:
    heard = []
    for message in ("hi", b"\x00\xff", "", b"", "é" * 100, ["frag", "men", "ted"]):
        await client.send(message)
        heard.append(await client.recv())
    return heard


async def many_at_once(client: ClientConnection) -> list[Any]:
    sent = ["slow", *map(str, range(100))]
    for message in sent:
        await client.send(message)
    return [await client.recv() for _ in sent]


async def pings(client: ClientConnection) -> float:
    return (await client.ping()) is not None and 1.0


async def closed_by_the_client(client: ClientConnection) -> Any:
    await client.close(4000, "bye")
    return client.close_code


async def closed_by_the_application(client: ClientConnection) -> Any:
    await client.send("close")
    with pytest.raises(ConnectionClosed):
        await client.recv()
    return client.close_code, client.close_reason


async def too_large(client: ClientConnection) -> Any:
    await client.send("x" * 1001)
    with pytest.raises(ConnectionClosed):
        await client.recv()
    return client.close_code


async def aborted(client: ClientConnection) -> None:
    client.transport.abort()
    await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    "talk", [echoes, many_at_once, pings, closed_by_the_client, closed_by_the_application, too_large, aborted]
)
async def test_it_behaves_as_the_class_that_it_extends(talk: Talk) -> None:
    found = []
    for protocol in (WebSocketsSansIOProtocol, RoomlogProtocol):
        application = Application()
        async with serving(protocol, application) as url, connect(url, max_size=None) as client:
            answer = await talk(client)
        found.append((answer, application.events))
    assert found[0] == found[1]


async def test_it_refuses_as_the_class_that_it_extends() -> None:
    statuses = []
    for protocol in (WebSocketsSansIOProtocol, RoomlogProtocol):
        async with serving(protocol, Application()) as url:
            with pytest.raises(InvalidStatus) as refusal:
                await connect(f"{url}/refused/")
            statuses.append(refusal.value.response.status_code)
    assert statuses == [403, 403]


async def test_it_answers_the_newest_ping_of_a_client_that_did_not_read() -> None:
    async with serving(RoomlogProtocol, Application()) as url, connect(url, max_size=None) as client:
        client.transport.pause_reading()
        sent = [await client.ping(f"{number:0>120}") for number in range(20_000)]
        client.transport.resume_reading()
        await asyncio.wait_for(sent[-1], timeout=10)


@pytest.mark.parametrize(
    "line", [b"X-Long: " + b"x" * 9_000, b"\r\n".join(b"X-%d: x" % number for number in range(200))]
)
async def test_it_answers_a_request_with_headers_that_are_too_large(line: bytes) -> None:
    async with serving(RoomlogProtocol, Application()) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(
            b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + line + b"\r\n\r\n"
        )
        answer = await asyncio.wait_for(reader.read(), timeout=5)
        writer.close()
    assert answer.startswith(b"HTTP/1.1 431") or answer == b""


class Busy(Application):
    """Reads nothing for half a second after the handshake."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        wire = scope["extensions"]["roomlog.direct"]
        wire.pause_reading()
        await asyncio.sleep(0.5)
        wire.resume_reading()
        await super().__call__(scope, receive, send)


async def test_it_does_not_count_a_pong_as_late_while_it_does_not_read() -> None:
    config = {"ws_ping_interval": 0.05, "ws_ping_timeout": 0.05}
    async with serving(RoomlogProtocol, Busy(), **config) as url, connect(url, ping_interval=None) as client:
        await client.send("still there")
        assert await asyncio.wait_for(client.recv(), timeout=5) == "still there"


async def test_a_closed_connection_is_freed_without_the_garbage_collector() -> None:
    def count() -> int:
        return sum(type(thing) is RoomlogProtocol for thing in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        before = count()
        async with serving(RoomlogProtocol, Application()) as url:
            for _ in range(5):
                async with connect(url) as client:
                    await client.send("hi")
                    await client.recv()
            await asyncio.sleep(0.1)
            assert count() == before
    finally:
        gc.enable()
