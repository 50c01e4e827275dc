"""Our HTTP protocol class, with applications of the tests: order, counts, and what is left behind."""

import asyncio
import gc
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import product
from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from config.server.admitted import admitted, refuse_request, refuse_socket
from config.server.bounds import Bounds
from config.server.protocol import HttpProtocol
from config.server.tls import ServerConfig
from messaging.transport.uvicorn_protocol import RoomlogProtocol
from tests.certificates import trusting_context, write_certificate
from tests.engine import only_on

pytestmark = only_on("sqlite")

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
WAIT = b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\n"
UPGRADE = (
    b"GET /ws/ HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Application:
    """Answers with what it received. `/wait` waits for `go`, `/large` answers with 4 MB."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.started: list[str] = []
        self.left: list[str] = []  # paths whose clients hung up
        self.headers: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.started.append(scope["path"])
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            while (await receive())["type"] != "websocket.disconnect":
                pass
            return
        body = b""
        while True:
            event = await receive()
            if event["type"] == "http.disconnect":
                self.left.append(scope["path"])
                return
            body += event["body"]
            if not event["more_body"]:
                break
        self.headers = list(scope["headers"])
        if scope["path"] == "/wait":
            waits = [asyncio.ensure_future(self.go.wait()), asyncio.ensure_future(receive())]
            done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for task in pending:
                task.cancel()
            if waits[1] in done:
                self.left.append(scope["path"])
                return
        content = b"x" * 4_000_000 if scope["path"] == "/large" else scope["path"].encode() + b":" + body
        headers = [(b"content-length", b"%d" % len(content))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})


class Served:
    """A server in this process. `bounds` counts its connections."""

    def __init__(self, server: uvicorn.Server, port: int) -> None:
        self._server = server
        self.port = port

    @property
    def bounds(self) -> Bounds:
        bounds: Bounds = self._server.lifespan.state["bounds"]
        return bounds

    @property
    def connections(self) -> list[Any]:
        return list(self._server.server_state.connections)

    async def open(self, context: ssl.SSLContext | None = None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port, local_addr=("127.0.0.2", 0), ssl=context)


@asynccontextmanager
async def serving(app: Any, protocol: type[asyncio.Protocol] = HttpProtocol, **options: Any) -> AsyncIterator[Served]:
    listener = socket.create_server(("127.0.0.1", 0))
    config = ServerConfig(
        app,
        http=protocol,
        ws=RoomlogProtocol,
        interface="asgi3",
        lifespan="off",
        log_level="critical",
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=1,
        **options,
    )
    server = uvicorn.Server(config)
    serve = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.005)
    try:
        yield Served(server, listener.getsockname()[1])
    finally:
        server.should_exit = True
        await serve


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def ask(served: Served, *parts: bytes) -> bytes:
    """Sends `parts` one after the other, and returns all that is answered until the connection is closed."""
    reader, writer = await served.open()
    for part in parts:
        writer.write(part)
        await asyncio.sleep(0.02)
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    return answer


@pytest.fixture(autouse=True)
def limits(settings: Any) -> Callable[..., None]:
    def change(**limits: Any) -> None:
        settings.ROOMLOG_LIMITS = msgspec.structs.replace(settings.ROOMLOG_LIMITS, **limits)

    settings.ROOMLOG_RATE_LIMITS = True
    change(http_keep_alive_s=0.2)
    return change


def without_date(answer: bytes) -> bytes:
    return b"\r\n".join(line for line in answer.split(b"\r\n") if not line.lower().startswith(b"date:"))


@pytest.mark.parametrize(
    "parts",
    [
        [GET],
        [GET[:10], GET[10:]],
        [GET * 5],
        [POST + b"Content-Length: 2\r\n\r\nhi", GET],
        [POST + b"Content-Length: 200\r\n\r\n" + b"\r\n\r\n." * 40, GET],
        [POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n" + GET],
        [POST + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n", b"hi"],
        [b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"],
        [b"GET / HTTP/1.0\r\n\r\n"],
        [b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", GET],
    ],
)
async def test_it_behaves_as_the_class_that_it_extends(parts: list[bytes]) -> None:
    answers = []
    for protocol in (HttpToolsProtocol, HttpProtocol):
        async with serving(Application(), protocol, timeout_keep_alive=1) as served:
            answers.append(without_date(await ask(served, *parts)))
    assert answers[0] == answers[1]
    assert answers[0].startswith(b"HTTP/1.1 ")


async def test_it_parses_no_more_than_may_wait(limits: Callable[..., None]) -> None:
    limits(http_pipeline=3)
    app = Application()
    async with serving(app) as served:
        reader, writer = await served.open()
        writer.write(WAIT + GET * 50)
        await until(lambda: app.started == ["/wait"])
        await asyncio.sleep(0.1)
        (connection,) = served.connections
        assert len(connection.pipeline) == 3
        app.go.set()
        async with asyncio.timeout(5):
            assert (await reader.read()).count(b"HTTP/1.1 200") == 51
        writer.close()


async def test_it_refuses_after_the_answers_to_earlier_requests() -> None:
    app = Application()
    async with serving(app) as served:
        reader, writer = await served.open()
        writer.write(WAIT + GET + b"nonsense\r\n\r\n" + GET)
        await asyncio.sleep(0.05)
        app.go.set()
        async with asyncio.timeout(5):
            answer = await reader.read()
        writer.close()
    statuses = [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"200", b"200", b"400"]
    assert app.started == ["/wait", "/"]


async def test_it_refuses_a_slow_body_after_the_answers_to_earlier_requests(limits: Callable[..., None]) -> None:
    limits(http_body_timeout_s=0.1)
    app = Application()
    async with serving(app) as served:
        reader, writer = await served.open()
        writer.write(WAIT + POST + b"Content-Length: 5\r\n\r\nhi")
        await asyncio.sleep(0.3)
        app.go.set()
        async with asyncio.timeout(5):
            answer = await reader.read()
        writer.close()
    statuses = [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"200", b"408"]
    assert app.started == ["/wait"]


async def test_the_application_hears_that_a_body_was_refused(limits: Callable[..., None]) -> None:
    limits(http_body_timeout_s=0.1)
    app = Application()
    async with serving(app) as served:
        assert (await ask(served, POST + b"Content-Length: 5\r\n\r\nhi")).startswith(b"HTTP/1.1 408")
        assert app.left == ["/"]


async def test_it_is_not_the_client_that_is_slow_if_the_application_does_not_read(limits: Callable[..., None]) -> None:
    limits(http_body_timeout_s=0.1)
    go = asyncio.Event()

    async def late(scope: Any, receive: Any, send: Any) -> None:
        await go.wait()
        await Application()(scope, receive, send)

    async with serving(late) as served:
        reader, writer = await served.open()
        writer.write(POST + b"Connection: close\r\nContent-Length: 500000\r\n\r\n" + b"x" * 500_000)
        await asyncio.sleep(0.3)
        go.set()
        async with asyncio.timeout(5):
            assert (await reader.read()).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_the_running_request_hears_that_its_client_has_gone() -> None:
    app = Application()
    async with serving(app) as served:
        _, writer = await served.open()
        writer.write(WAIT + GET)
        await until(lambda: app.started == ["/wait"])
        writer.transport.abort()
        await until(lambda: app.left == ["/wait"])
        assert app.started == ["/wait"]


async def test_headers_after_a_body_are_dropped() -> None:
    app = Application()
    async with serving(app) as served:
        await ask(
            served,
            POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
            b"0\r\nX-Forwarded-Proto: https\r\n\r\n",
        )
    assert app.headers == [(b"host", b"x"), (b"transfer-encoding", b"chunked")]


async def test_a_handshake_waits_for_the_answers_to_earlier_requests() -> None:
    app = Application()
    async with serving(app) as served:
        reader, writer = await served.open()
        writer.write(WAIT + UPGRADE)
        await asyncio.sleep(0.05)
        app.go.set()
        async with asyncio.timeout(5):
            answer = await reader.read()
        writer.close()
    assert [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]] == [b"200", b"400"]
    assert app.started == ["/wait"]


async def test_a_handshake_may_follow_an_answer() -> None:
    async with serving(Application()) as served:
        reader, writer = await served.open()
        writer.write(GET)
        await reader.readuntil(b"/:")
        writer.write(UPGRADE)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
        writer.close()


# -- counts ---------------------------------------------------------------------------------------------------------


def counted(app: Any) -> Any:
    """Counts the requests and sockets of `app` as those of ours."""
    requests = admitted(app, bound=lambda bounds: bounds.requests, refuse=refuse_request)
    sockets = admitted(app, bound=lambda bounds: bounds.sockets, refuse=refuse_socket)

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await (sockets if scope["type"] == "websocket" else requests)(scope, receive, send)

    return application


# What a client has sent when it goes, and what it reads before.
PHASES: dict[str, tuple[bytes, int]] = {
    "nothing": (b"", 0),
    "head": (GET[:10], 0),
    "body": (POST + b"Content-Length: 10\r\n\r\nhi", 0),
    "application": (WAIT, 0),
    "pipeline": (WAIT + GET * 3, 0),
    "full pipeline": (WAIT + GET * 20, 0),
    "idle": (GET, 10),
    "answer": (b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n", 10),
    "last answer": (b"GET /large HTTP/1.1\r\nConnection: close\r\n\r\n", 10),
    "refusal": (b"nonsense\r\n\r\n", 10),
    "refusal with more": (POST + b"Content-Length: x\r\n\r\n" + b"x" * 100_000, 10),
    "socket": (UPGRADE, 10),
    "no socket": (UPGRADE.replace(b"13", b"12"), 10),
}


def reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


ENDS: dict[str, Callable[[asyncio.StreamWriter], Any]] = {
    "reset": reset,
    "abort": lambda writer: writer.transport.abort(),
    "close": lambda writer: writer.close(),
}


@pytest.mark.parametrize("is_encrypted", [False, True], ids=["plain", "encrypted"])
async def test_it_gives_every_place_back(is_encrypted: bool, tmp_path: Path, limits: Callable[..., None]) -> None:
    limits(stalled_writer_s=0.5, tls_handshake_timeout_s=0.5, http_keep_alive_s=5)
    options: dict[str, Any] = {}
    if is_encrypted:
        options = dict(zip(("ssl_certfile", "ssl_keyfile"), map(str, write_certificate(tmp_path)), strict=True))
    app = Application()
    async with serving(counted(app), **options) as served:
        for (phase, (sent, expected)), leave in product(PHASES.items(), ENDS.values()):
            app.go.clear()
            reader, writer = await served.open(trusting_context() if is_encrypted else None)
            writer.write(sent)
            if expected:
                await reader.readexactly(expected)
            else:
                await until(lambda: served.bounds.connections.taken == 1)
            leave(writer)
            if phase == "full pipeline":  # such a connection is not read, so that only the answer tells
                app.go.set()
            await until(lambda: not served.bounds.connections.taken)
            await until(lambda: not served.bounds.requests.taken and not served.bounds.sockets.taken)
        if is_encrypted:
            for sent in (b"", GET, b"\x16\x03\x01\x02"):
                for leave in ENDS.values():
                    _, writer = await served.open()
                    writer.write(sent)
                    await asyncio.sleep(0.02)
                    leave(writer)
                    await until(lambda: not served.bounds.connections.taken)
        bounds = (served.bounds.connections, served.bounds.requests, served.bounds.sockets)
        assert [(bound.taken, bound.addresses) for bound in bounds] == [(0, 0)] * 3


async def test_it_gives_the_place_of_a_failed_application_back() -> None:
    async def fail(scope: Any, receive: Any, send: Any) -> None:
        raise ZeroDivisionError

    async with serving(counted(fail)) as served:
        assert (await ask(served, GET)).startswith(b"HTTP/1.1 500")
        with pytest.raises(Exception, match="HTTP 500"):
            await connect(f"ws://127.0.0.1:{served.port}/ws/")
        await until(lambda: not served.bounds.connections.taken)
        assert (served.bounds.requests.taken, served.bounds.sockets.taken) == (0, 0)


async def test_it_bounds_the_requests_of_the_process(limits: Callable[..., None]) -> None:
    limits(max_requests=1)
    app = Application()
    handled = admitted(app, bound=lambda bounds: bounds.handled, refuse=refuse_request)
    async with serving(handled) as served:
        _, writer = await served.open()
        writer.write(WAIT)
        await until(lambda: app.started == ["/wait"])
        answer = await ask(served, GET)
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"retry-after: 1\r\n" in answer
        assert b'"code":"overloaded"' in answer
        app.go.set()
        await until(lambda: not served.bounds.handled.taken)
        assert (await ask(served, GET)).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_it_closes_a_socket_that_is_one_too_many(limits: Callable[..., None]) -> None:
    limits(max_sockets_per_address=1)
    async with serving(counted(Application()), forwarded_allow_ips="") as served:
        url = f"ws://127.0.0.1:{served.port}/ws/"
        here: dict[str, Any] = {"local_addr": ("127.0.0.2", 0)}
        async with connect(url, **here):
            async with connect(url, subprotocols=[Subprotocol("roomlog.v1")], **here) as extra:
                with pytest.raises(ConnectionClosed) as closed:
                    await extra.recv()
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4003, "overloaded; retry_after=1.0")
            assert extra.subprotocol == "roomlog.v1"
        await until(lambda: not served.bounds.sockets.taken)
        async with connect(url, **here):
            pass


Talk = Callable[[Served], Awaitable[None]]


async def sockets(served: Served) -> None:
    async with connect(f"ws://127.0.0.1:{served.port}/ws/"):
        pass


async def requests(served: Served) -> None:
    await ask(served, GET * 3)


async def refusals(served: Served) -> None:
    await ask(served, b"nonsense\r\n\r\n")
    await ask(served, GET[:-2] + b"X: x\r\n" * 200)


async def abandoned(served: Served) -> None:
    _, writer = await served.open()
    writer.write(WAIT + GET + GET[:5])
    await asyncio.sleep(0.05)
    writer.transport.abort()


@pytest.mark.parametrize("talk", [sockets, requests, refusals, abandoned])
async def test_a_closed_connection_is_freed_without_the_garbage_collector(talk: Talk) -> None:
    def count() -> int:
        return sum(type(thing) is HttpProtocol for thing in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        before = count()
        async with serving(Application()) as served:
            for _ in range(5):
                await talk(served)
            await until(lambda: not served.bounds.connections.taken)
            await asyncio.sleep(0.1)
            assert count() == before
    finally:
        gc.enable()
