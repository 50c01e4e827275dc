"""Graceful shutdown: what a server sends its clients after SIGTERM, and how long it takes to stop."""

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


def test_it_answers_sends_in_flight_and_closes_the_socket(own_server: Server, room: UUID, alice: Person) -> None:
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
def test_it_answers_a_request_that_waits_for_a_lock(own_server: Server, room: UUID, bob: Person) -> None:
    client = Client(own_server, bob)
    with transaction.atomic():
        lock_head(room)
        request = client.start("leave", room=str(room), forget=True)
        time.sleep(0.3)  # until the request waits for the lock
        os.kill(own_server.pid, signal.SIGTERM)
        assert client.event()["event"] == "draining"
    assert client.reply(request)["response_status"] == 200
    assert close_code(client) == 4001


def test_it_is_ready_before_it_drains(server: Server) -> None:
    with server.rest() as rest:
        report = rest.get("/readyz")
        assert report.status_code == 200
        assert report.json()["ready"] is True
        assert report.json()["database"] == "ok"
        assert report.json()["layer"] == "none"


def test_it_stops_in_time_despite_a_client_that_does_not_read(own_server: Server, room: UUID, alice: Person) -> None:
    client = Client(own_server, alice, max_queue=1)
    client.act("join", room=str(room))
    began = time.monotonic()
    own_server.stop()
    assert time.monotonic() - began < GRACE_S
    client.connection.close()
