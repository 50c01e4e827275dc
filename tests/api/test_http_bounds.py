"""What one client may do to a server over HTTP, on real connections, plain and encrypted."""

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.certificates import EncryptedServer, trusting_context
from tests.conftest import StartServer, watched
from tests.engine import only_on
from tests.people import Person
from tests.servers import Server
from tests.wires import GET, Wire

pytestmark = only_on("sqlite")

BOUNDS = {
    "ROOMLOG_RATE_LIMITS": "on",
    "ROOMLOG_TLS_HANDSHAKE_TIMEOUT_S": "1",
    "ROOMLOG_HTTP_HEAD_TIMEOUT_S": "1",
    "ROOMLOG_HTTP_BODY_TIMEOUT_S": "1",
    "ROOMLOG_HTTP_KEEP_ALIVE_S": "3",
    "ROOMLOG_HTTP_MAX_REQUESTS": "100",
    "ROOMLOG_STALLED_WRITER_S": "2",
    "ROOMLOG_BYTES_PER_S": "200000",
    "ROOMLOG_BYTES_BURST": "400000",
    "ROOMLOG_FLOOD_PATIENCE_S": "1",
    "ROOMLOG_MAX_CONNECTIONS_PER_ADDRESS": "12",
    "ROOMLOG_MAX_SOCKETS_PER_ADDRESS": "3",
    "ROOMLOG_MAX_REQUESTS_PER_ADDRESS": "3",
}
POST = b"POST /api/v1/rooms/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
UPGRADE = (
    b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
SOON_S = 6.0  # after the end of a bound of a second: an encrypted connection lingers, and then says that it ends


@pytest.fixture(scope="module")
def _bounded_servers(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Server]]:
    servers: dict[str, Server] = {
        "plain": Server(tmp_path_factory.mktemp("plain") / "log", **BOUNDS),
        "encrypted": EncryptedServer(tmp_path_factory.mktemp("encrypted"), **BOUNDS),
    }
    with ExitStack() as stack:
        for server in servers.values():
            stack.callback(server.stop)
            server.start()
        yield servers


@pytest.fixture(params=["plain", "encrypted"])
def bounded_server(
    request: pytest.FixtureRequest, _bounded_servers: dict[str, Server], transactional_db: None
) -> Iterator[Server]:
    server = _bounded_servers[request.param]
    with watched(server):
        yield server


@pytest.fixture
def wire(bounded_server: Server) -> Iterator[Wire]:
    with Wire(bounded_server) as wire:
        yield wire


def test_it_works(wire: Wire) -> None:
    for _ in range(3):
        wire.send(GET)
        received = wire.response()
        assert received.status == 200
        assert "connection" not in received.headers


# -- time -----------------------------------------------------------------------------------------------------------


def test_it_refuses_a_slow_head(wire: Wire) -> None:
    start = time.monotonic()
    wire.trickle(GET, pause_s=0.1)

    received = wire.response()
    assert (received.status, received.problem["code"]) == (408, "request_timeout")
    assert received.headers["connection"] == "close"
    assert wire.rest() == b""
    assert 0.9 < time.monotonic() - start < SOON_S + len(GET) * 0.1


def test_it_refuses_a_slow_handshake_of_a_socket(wire: Wire) -> None:
    wire.trickle(b"GET /ws/ HTTP/1.1\r\nHost: localhost\r\n" + UPGRADE[:20], pause_s=0.05)
    assert wire.response().status == 408


def test_it_refuses_a_slow_head_after_another_request(wire: Wire) -> None:
    wire.send(GET)
    assert wire.response().status == 200
    wire.trickle(GET, pause_s=0.1)
    assert wire.response().status == 408


def test_it_closes_a_connection_without_a_request(wire: Wire) -> None:
    start = time.monotonic()
    assert wire.rest() == b""
    assert 0.9 < time.monotonic() - start < SOON_S
    wire.wait_until_dropped(SOON_S)


def test_empty_lines_are_no_request(wire: Wire) -> None:
    wire.trickle(b"\r\n" * 50, pause_s=0.05)
    assert wire.rest() == b""


@pytest.mark.parametrize("framing", [b"Content-Length: 1000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n3e8\r\n"])
def test_it_refuses_a_slow_body(wire: Wire, framing: bytes) -> None:
    start = time.monotonic()
    wire.send(POST, framing)
    wire.trickle(b" " * 40, pause_s=0.05)

    received = wire.response()
    assert (received.status, received.problem["code"]) == (408, "request_timeout")
    assert wire.rest() == b""
    assert time.monotonic() - start < SOON_S
    wire.wait_until_dropped(SOON_S)


def test_it_closes_an_idle_connection(wire: Wire) -> None:
    wire.send(GET)
    assert wire.response().status == 200
    start = time.monotonic()
    assert wire.rest() == b""
    assert 2.9 < time.monotonic() - start < SOON_S + 2


def test_it_does_not_wait_for_a_tls_handshake(bounded_server: Server) -> None:
    if bounded_server.url.startswith("http:"):
        pytest.skip("plain")
    with Wire(bounded_server, is_open=False) as wire:
        start = time.monotonic()
        assert wire.rest() == b""
        assert 0.9 < time.monotonic() - start < SOON_S
    with Wire(bounded_server, is_open=False) as wire:
        wire.send(GET)  # which is no TLS
        assert b"HTTP" not in wire.rest()


# -- size -----------------------------------------------------------------------------------------------------------

HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (HEAD + b"X-Long: " + b"x" * 40_000 + b"\r\n\r\n", 431),
        (HEAD + b"X-Long: " + b"x" * 10_000_000, 431),
        (HEAD + b"".join(b"X-%d: x\r\n" % number for number in range(200)) + b"\r\n", 431),
        (b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
        (b"GET /" + b"x" * 10_000_000, 414),
        (b"GET /ws/ HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 40_000 + b"\r\n" + UPGRADE + b"\r\n", 431),
    ],
    ids=["long", "endless", "many", "target", "endless target", "socket"],
)
def test_it_refuses_a_large_head(wire: Wire, head: bytes, status: int) -> None:
    with wire.sending(head):
        received = wire.response()
    assert (received.status, received.problem["code"]) == (status, "too_large")
    assert wire.rest() == b""


def test_it_accepts_a_head_within_the_bounds(wire: Wire) -> None:
    wire.send(HEAD, b"".join(b"X-%d: %b\r\n" % (number, b"x" * 300) for number in range(90)), b"\r\n")
    assert wire.response().status == 200


def test_it_refuses_what_is_not_http(wire: Wire) -> None:
    wire.send(b"\x16\x03\x01 hello\r\n\r\n")
    received = wire.response()
    assert (received.status, received.problem["code"]) == (400, "invalid")
    assert wire.rest() == b""


def test_it_refuses_a_large_body(wire: Wire) -> None:
    with wire.sending(POST + b"Content-Length: 2000000\r\n\r\n" + b" " * 200_000):
        received = wire.response()
    assert (received.status, received.problem["code"]) == (413, "too_large")
    wire.wait_until_dropped(SOON_S)


# -- number ---------------------------------------------------------------------------------------------------------


def test_it_serves_others_while_one_client_pipelines(bounded_server: Server) -> None:
    with Wire(bounded_server) as wire, httpx.Client(base_url=bounded_server.url, verify=False) as bystander:
        answers: list[int] = []

        def read() -> None:
            with wire.sending(GET * 10_000), suppress(EOFError, OSError):
                while True:
                    answers.append(wire.response().status)

        bystander.get("/healthz")
        reader = threading.Thread(target=read)
        reader.start()
        slowest_s = 0.0
        for _ in range(20):
            start = time.monotonic()
            assert bystander.get("/healthz").status_code == 200
            slowest_s = max(slowest_s, time.monotonic() - start)
        reader.join()
        wire.wait_until_dropped(SOON_S)
    assert answers == [200] * 100  # the requests of one connection
    assert slowest_s < 0.5


def test_it_ends_a_connection_after_its_last_request(wire: Wire) -> None:
    for number in range(100):
        wire.send(GET)
        received = wire.response()
        assert received.status == 200
        assert ("connection" in received.headers) == (number == 99)
    assert wire.rest() == b""


@pytest.mark.parametrize("rest", [b"", GET, b"\xff" * 100_000])
def test_it_reads_nothing_after_the_last_request(wire: Wire, rest: bytes) -> None:
    wire.send(HEAD, b"Connection: close\r\n\r\n", rest)
    received = wire.response()
    assert (received.status, received.headers["connection"]) == (200, "close")
    assert wire.rest() == b""
    wire.wait_until_dropped(SOON_S)


def test_it_takes_no_body_for_a_request(wire: Wire) -> None:
    """A proxy passes on an upgrade that the server does not know, and what follows is a body to it."""
    wire.send(POST, b"Upgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: %d\r\n\r\n" % len(GET))
    wire.send(GET)
    assert wire.response().headers["connection"] == "close"
    assert wire.rest() == b""


def test_it_slows_and_ends_a_connection_that_sends_too_much(wire: Wire) -> None:
    start = time.monotonic()
    body = b" " * 60_000
    statuses = []
    with suppress(OSError, EOFError):
        while True:
            wire.send(b"POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n", body)
            statuses.append(wire.response().status)
    assert time.monotonic() - start > 1
    assert len(statuses) * 60_000 < 400_000 + 200_000 * (time.monotonic() - start) + 120_000
    assert statuses[-1] == 429


# -- answers that are not read --------------------------------------------------------------------------------------


def test_it_drops_an_answer_that_is_not_read(bounded_server: Server) -> None:
    with Wire(bounded_server, receive_bytes=4096) as wire:
        wire.send(b"GET /openapi.yaml HTTP/1.1\r\nHost: localhost\r\n\r\n" * 8)
        wire.wait_until_dropped(SOON_S)


def test_it_keeps_little_of_an_answer_whose_connection_has_ended(bounded_server: Server) -> None:
    """What the kernel took at once is dropped, too."""
    with Wire(bounded_server, receive_bytes=4096) as wire:
        wire.send(b"GET /asyncapi.yaml HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        wire.wait_until_dropped(SOON_S)


def test_it_waits_for_a_client_that_reads_slowly(bounded_server: Server) -> None:
    with Wire(bounded_server, receive_bytes=4096) as wire:
        for last in (b"", b"Connection: close\r\n"):
            wire.send(b"GET /openapi.yaml HTTP/1.1\r\nHost: localhost\r\n", last, b"\r\n")
            assert len(wire.response(pause_s=0.03).body) > 100_000


# -- addresses ------------------------------------------------------------------------------------------------------


def test_it_bounds_the_connections_of_an_address(bounded_server: Server) -> None:
    with ExitStack() as stack:
        wires = [stack.enter_context(Wire(bounded_server, source="127.0.0.3")) for _ in range(12)]
        with suppress(ConnectionResetError), Wire(bounded_server, source="127.0.0.3", is_open=False) as extra:
            assert extra.rest() == b""
        with Wire(bounded_server, source="127.0.0.4") as other:
            other.send(GET)
            assert other.response().status == 200
        for wire in wires:
            wire.send(GET)
            assert wire.response().status == 200
        wires[0].close()
        wires[0].wait_until_dropped(SOON_S)
        with Wire(bounded_server, source="127.0.0.3") as again:
            again.send(GET)
            assert again.response().status == 200


def open_socket(server: Server, person: Person, address: str) -> ClientConnection:
    context = trusting_context() if server.url.startswith("https:") else None
    headers = {**person.headers, "X-Forwarded-For": address}
    return connect(server.ws_url, additional_headers=headers, ssl=context, close_timeout=1)


def test_it_bounds_the_sockets_of_an_address(bounded_server: Server, alice: Person) -> None:
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(open_socket(bounded_server, alice, f"2001:db8:1:1::{number}")) for number in range(3)
        ]
        for socket in sockets:
            assert json.loads(socket.recv(10))["event"] == "hello"
        with (
            open_socket(bounded_server, alice, "2001:db8:1:1:9::9") as extra,
            pytest.raises(ConnectionClosed) as closed,
        ):
            extra.recv(10)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4003
        assert re.fullmatch(r"overloaded; retry_after=\d+\.\d", closed.value.rcvd.reason)
        with open_socket(bounded_server, alice, "2001:db8:1:2::1") as other:
            assert json.loads(other.recv(10))["event"] == "hello"
        sockets[0].close()
        with open_socket(bounded_server, alice, "2001:db8:1:1:9::9") as again:
            assert json.loads(again.recv(10))["event"] == "hello"


def test_it_bounds_the_requests_of_an_address(bounded_server: Server) -> None:
    forwarded = b"X-Forwarded-For: 203.0.113.7\r\n"
    with ExitStack() as stack:
        slow = [stack.enter_context(Wire(bounded_server, source="127.0.0.1")) for _ in range(3)]
        for wire in slow:
            wire.send(POST, forwarded, b"Content-Length: 10\r\n\r\n")
        time.sleep(0.3)

        with Wire(bounded_server, source="127.0.0.1") as extra:
            extra.send(HEAD, forwarded, b"\r\n")
            received = extra.response()
        assert (received.status, received.problem["code"]) == (503, "overloaded")
        assert int(received.headers["retry-after"]) >= received.problem["retry_after"] > 0
        with Wire(bounded_server) as other:
            other.send(GET)
            assert other.response().status == 200

        for wire in slow:
            assert wire.response().status == 408
        with Wire(bounded_server, source="127.0.0.1") as again:
            again.send(HEAD, forwarded, b"\r\n")
            assert again.response().status == 200


def test_it_does_not_count_a_proxy_by_address(bounded_server: Server) -> None:
    with ExitStack() as stack:
        wires = [stack.enter_context(Wire(bounded_server, source="127.0.0.1")) for _ in range(20)]
        for wire in wires:
            wire.send(POST, b"Content-Length: 10\r\n\r\n")
        with Wire(bounded_server, source="127.0.0.1") as again:
            again.send(GET)
            assert again.response().status == 200


def test_it_bounds_the_connections_of_the_process(start_server: StartServer) -> None:
    """Even of a proxy, and while rate limits are off."""
    server = start_server(ROOMLOG_MAX_CONNECTIONS="5")
    with ExitStack() as stack:
        wires = [stack.enter_context(Wire(server, source="127.0.0.1")) for _ in range(5)]
        with suppress(ConnectionResetError), Wire(server, source="127.0.0.1", is_open=False) as extra:
            assert extra.rest() == b""
        for wire in wires:
            wire.send(GET)
            assert wire.response().status == 200
