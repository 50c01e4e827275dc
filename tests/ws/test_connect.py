"""The WebSocket handshake, the `hello` event, and the codes with which the server closes a socket."""

import asyncio
import base64
import time
from contextlib import ExitStack
from typing import Any
from uuid import UUID

import msgspec
import pytest
from allauth.headless.tokens.strategies.jwt import internal
from django.db import connection, transaction
from websockets.asyncio.client import connect as aconnect
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from accounts.models import Session
from accounts.sessions import SessionStore, public_session_id
from tests.conftest import StartServer
from tests.engine import only_on
from tests.people import Person
from tests.servers import Server
from tests.sockets import Client


def first_frame(server: Server, **options: Any) -> dict[str, Any]:
    with connect(server.ws_url, compression=None, **options) as connection:
        frame: dict[str, Any] = msgspec.json.decode(connection.recv(timeout=10))
        return frame


def receive_close(server: Server, **options: Any) -> tuple[int, str]:
    with connect(server.ws_url, compression=None, **options) as connection:
        with pytest.raises(ConnectionClosedError) as closed:
            connection.recv(timeout=10)
        assert closed.value.rcvd is not None
        return closed.value.rcvd.code, closed.value.rcvd.reason


def test_it_works(server: Server, alice: Person) -> None:
    hello = first_frame(server, additional_headers=alice.headers)

    assert list(hello) == ["event", "data"]
    assert hello["event"] == "hello"
    data = hello["data"]
    assert data["protocol"] == 1
    assert data["user"]["username"] == "alice"
    assert UUID(data["epoch"])
    assert data["session"] == str(public_session_id(alice.session_key))
    assert data["limits"]["max_text_chars"] == 4000
    assert alice.session_key not in msgspec.json.encode(hello).decode()


def test_it_accepts_the_token_as_a_subprotocol(server: Server, alice: Person) -> None:
    offered = [Subprotocol("roomlog.v1"), Subprotocol(f"bearer.{alice.token}")]
    with connect(server.ws_url, subprotocols=offered, compression=None) as connection:
        assert connection.subprotocol == "roomlog.v1"
        assert msgspec.json.decode(connection.recv(timeout=10))["event"] == "hello"


def test_it_accepts_the_token_as_basic_credentials(server: Server, alice: Person) -> None:
    address = server.ws_url.replace("ws://", f"ws://bearer:{alice.token}@")
    with connect(address, compression=None) as connection:
        assert msgspec.json.decode(connection.recv(timeout=10))["event"] == "hello"


def test_it_refuses_other_basic_credentials(server: Server, alice: Person) -> None:
    for credentials in (f"alice:{alice.token}", "bearer:", "bearer", "\xff"):
        header = "Basic " + base64.b64encode(credentials.encode("latin-1")).decode()
        assert receive_close(server, additional_headers={"Authorization": header}) == (4501, "unauthenticated")


def test_it_closes_a_socket_without_a_token(server: Server) -> None:
    assert receive_close(server) == (4501, "unauthenticated")
    assert receive_close(server, subprotocols=[Subprotocol("roomlog.v1")]) == (4501, "unauthenticated")


def test_it_closes_a_socket_with_a_forged_token(server: Server, alice: Person) -> None:
    forged = {"Authorization": f"Bearer {alice.token[:-4]}AAAA"}
    assert receive_close(server, additional_headers=forged) == (4501, "unauthenticated")


def test_it_distinguishes_an_expired_token(server: Server, alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    monkeypatch.setattr(internal.time, "time", lambda: now - 7200)
    expired = internal.create_token(
        "access", sub=str(alice.id), sid=internal.session_key_to_sid(alice.session_key), expires_in=3600
    )[0]
    monkeypatch.undo()
    assert receive_close(server, additional_headers={"Authorization": f"Bearer {expired}"}) == (4502, "token_expired")


def test_it_closes_a_socket_whose_session_has_ended(server: Server, alice: Person) -> None:
    SessionStore(alice.session_key).delete()
    assert not Session.objects.filter(user_id=alice.id).exists()
    assert receive_close(server, additional_headers=alice.headers) == (4501, "unauthenticated")


@only_on("postgresql")
def test_handshakes_beyond_those_that_may_wait_get_a_time_to_come_back(
    start_server: StartServer, alice: Person, bob: Person
) -> None:
    server = start_server(ROOMLOG_HANDSHAKE_BACKLOG="3")
    with Client(server, bob):
        pass  # what the server loads for its first socket is loaded

    with ExitStack() as stack:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("LOCK TABLE accounts_session IN ACCESS EXCLUSIVE MODE")
            opened = [
                stack.enter_context(connect(server.ws_url, additional_headers=alice.headers, compression=None))
                for _ in range(4)
            ]
            began = time.monotonic()
            code, reason = receive_close(server, additional_headers=alice.headers)
            assert time.monotonic() - began < 1

        assert code == 4003
        assert 0 < float(reason.removeprefix("overloaded; retry_after=")) < 5
        for each in opened:
            assert msgspec.json.decode(each.recv(timeout=10))["event"] == "hello"
    assert first_frame(server, additional_headers=alice.headers)["event"] == "hello"


@only_on("postgresql")
def test_it_gets_a_time_to_come_back_if_the_database_fails(start_server: StartServer, alice: Person) -> None:
    server = start_server()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE accounts_session IN ACCESS EXCLUSIVE MODE")  # beyond the server's `lock_timeout`
        code, reason = receive_close(server, additional_headers=alice.headers)

    assert code == 4003
    assert float(reason.removeprefix("overloaded; retry_after=")) >= 1


def test_it_answers_many_handshakes_at_once(server: Server, alice: Person, bob: Person) -> None:
    forged = f"{alice.token[:-4]}AAAA"

    async def open_socket(token: str) -> str:
        headers = {"Authorization": f"Bearer {token}"}
        async with aconnect(server.ws_url, additional_headers=headers, compression=None) as opened:
            try:
                return str(msgspec.json.decode(await opened.recv())["data"]["user"]["username"])
            except ConnectionClosedError as closed:
                return str(closed.rcvd and closed.rcvd.code)

    async def open_all() -> list[str]:
        return await asyncio.gather(*(open_socket(token) for token in [alice.token, forged, bob.token] * 20))

    assert asyncio.run(open_all()) == ["alice", "4501", "bob"] * 20


def test_it_answers_404_at_other_addresses(server: Server, alice: Person) -> None:
    with (
        pytest.raises(InvalidStatus) as refused,
        connect(server.ws_url.replace("/ws/", "/other/"), additional_headers=alice.headers),
    ):
        pass
    assert refused.value.response.status_code == 404


def test_it_closes_the_socket_after_a_frame_that_is_too_large(server: Server, alice: Person) -> None:
    with Client(server, alice) as client:
        client.connection.send("x" * (64 * 1024 + 1))
        with pytest.raises(ConnectionClosedError) as closed:
            client.receive()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


def test_it_names_the_right_address_if_the_slash_is_missing(server: Server, alice: Person) -> None:
    before = len(server.log)
    with pytest.raises(InvalidStatus) as refused:
        connect(server.ws_url.removesuffix("/"), additional_headers=alice.headers)
    assert refused.value.response.status_code == 404
    assert b"/ws/" in refused.value.response.body
    assert server.log[before:] == ""


def test_it_closes_the_socket_after_too_many_fragments(server: Server, alice: Person) -> None:
    with Client(server, alice) as client, pytest.raises(ConnectionClosedError) as closed:
        client.connection.send("x" for _ in range(100))
        client.receive()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


def test_it_closes_the_socket_after_invalid_utf8(server: Server, alice: Person) -> None:
    with Client(server, alice) as client:
        with client.connection.send_context():
            client.connection.protocol.send_frame(Frame(Opcode.TEXT, b"\xff\xff"))
        with pytest.raises(ConnectionClosedError) as closed:
            client.receive()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1007


def test_it_accepts_sends_after_a_follower_has_disconnected(
    server: Server, room: UUID, alice: Person, bob: Person
) -> None:
    with Client(server, alice) as sender:
        disconnected = Client(server, bob)
        disconnected.act("join", room=str(room))
        disconnected.connection.socket.close()
        for number in range(5):
            assert sender.act("send", room=str(room), text=str(number))["response_status"] == 201
