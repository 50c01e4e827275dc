"""On a server without our protocol class, sockets write through plain ASGI: slower, with the same guarantees."""

import sys
from collections.abc import Iterator
from uuid import UUID

import pytest

from tests.conftest import StartServer, watched
from tests.engine import only_on
from tests.faults.test_slow_reader import narrow_socket, send_all
from tests.people import Person
from tests.servers import Server
from tests.sockets import Client

STOCK_UVICORN = (sys.executable, "-m", "uvicorn", "config.asgi:application", "--ws", "websockets-sansio")


pytestmark = only_on("sqlite")


@pytest.fixture(scope="module")
def _stock_server(start_shared_server: StartServer) -> Server:
    return start_shared_server(command=STOCK_UVICORN, DJANGO_SETTINGS_MODULE="config.settings")


@pytest.fixture
def stock_server(_stock_server: Server, transactional_db: None) -> Iterator[Server]:
    with watched(_stock_server):
        yield _stock_server


def test_it_works(stock_server: Server, room: UUID, alice: Person, bob: Person) -> None:
    with Client(stock_server, alice) as sender, Client(stock_server, bob) as follower:
        follower.act("join", room=str(room))
        sends = [sender.start("send", room=str(room), text=str(number)) for number in range(100)]
        assert [sender.reply(send)["response_status"] for send in sends] == [201] * 100
        assert [event["seq"] for event in follower.events_until(102)] == list(range(3, 103))


def test_it_lets_a_slow_reader_catch_up(stock_server: Server, room: UUID, alice: Person, bob: Person) -> None:
    slow = Client(stock_server, bob, sock=narrow_socket(stock_server), max_queue=1)
    slow.act("join", room=str(room))
    send_all(stock_server, room, alice, 500)
    assert [event["seq"] for event in slow.events_until(502)] == list(range(3, 503))
    slow.connection.close()
