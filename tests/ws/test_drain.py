"""Leaving in order: SIGTERM under load."""

import os
import signal
import time
from uuid import UUID

import pytest
from django.db import transaction
from websockets.exceptions import ConnectionClosed

from messaging.models import Message
from rooms.log import lock_head
from tests.conftest import StartServer
from tests.engine import only_on
from tests.people import Person
from tests.servers import Server
from tests.sockets import Client, close_code

GRACE_S = 10.0


@pytest.fixture
def own_server(start_server: StartServer) -> Server:
    return start_server()


def test_it_answers_what_is_in_flight_and_says_goodbye(own_server: Server, room: UUID, alice: Person) -> None:
    client = Client(own_server, alice)
    requests = {client.start("send", room=str(room), text=str(n), client_id=str(n)) for n in range(300)}
    began = time.monotonic()

    os.kill(own_server.pid, signal.SIGTERM)

    acknowledged = set()
    with pytest.raises(ConnectionClosed) as closed:
        while True:
            frame = client.receive()
            if "event" in frame:
                client.events.append(frame)
            else:
                assert frame["response_status"] == 201, frame
                acknowledged.add(frame["request_id"])
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "draining")
    assert client.events[-1]["event"] == "draining"
    assert 0 <= client.events[-1]["data"]["reconnect_in_ms"] <= 1000
    own_server.stop()
    assert time.monotonic() - began < GRACE_S
    assert Message.objects.filter(room_id=room).count() == len(acknowledged)
    assert acknowledged <= requests


@only_on("postgresql")
def test_it_answers_what_waits_for_a_lock(own_server: Server, room: UUID, bob: Person) -> None:
    client = Client(own_server, bob)
    with transaction.atomic():
        lock_head(room)
        request = client.start("leave", room=str(room), forget=True)
        time.sleep(0.3)  # until it waits
        os.kill(own_server.pid, signal.SIGTERM)
        assert client.event()["event"] == "draining"
    assert client.reply(request)["response_status"] == 200
    assert close_code(client) == 4001


def test_it_is_ready_until_then(server: Server) -> None:
    with server.rest() as rest:
        report = rest.get("/readyz")
        assert report.status_code == 200
        assert report.json()["ready"] is True
        assert report.json()["database"] == "ok"
        assert report.json()["layer"] == "none"


def test_it_is_out_in_time_with_a_client_that_does_not_read(own_server: Server, room: UUID, alice: Person) -> None:
    client = Client(own_server, alice, max_queue=1)
    client.act("join", room=str(room))
    began = time.monotonic()
    own_server.stop()
    assert time.monotonic() - began < GRACE_S
    client.connection.close()
