"""G9: a slow reader costs nothing, and misses nothing."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from websockets.exceptions import ConnectionClosedError

from rooms import services
from rooms.schema import RoomDraft
from tests.conftest import StartServer
from tests.people import Person, make_person
from tests.servers import Server
from tests.sockets import Client

MESSAGES, SLOW_READERS, PAUSE_S = 2_000, 20, 5.0
TEXT = "x" * 3_500
# Per slow reader: the buffer's bound, one chunk beyond it, and what a socket costs anyhow.
BOUND_BYTES = (64 + 64 + 64) * 1024


def resident_bytes(server: Server) -> int:
    return int(Path(f"/proc/{server.pid}/statm").read_text().split()[1]) * 4096


def narrow_socket(server: Server) -> socket.socket:
    """A connection whose receive buffer holds little, so that the server feels at once that nobody reads."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    raw.connect(("127.0.0.1", server.port))
    return raw


def send_all(server: Server, room: UUID, person: Person, count: int) -> None:
    with Client(server, person) as sender:
        in_flight = [sender.start("send", room=str(room), text=TEXT) for _ in range(16)]
        for number in range(count):
            assert sender.reply(in_flight.pop(0))["response_status"] == 201
            if number < count - 16:
                in_flight.append(sender.start("send", room=str(room), text=TEXT))


def wait_until_alone(server: Server) -> None:
    deadline = time.monotonic() + 10
    with server.rest() as rest:
        while rest.get("/readyz").json()["sockets"]:
            assert time.monotonic() < deadline, "the stalled socket is still there"
            time.sleep(0.05)


def delays_of(client: Client, last: int) -> list[float]:
    """Read up to `last`; the delay of each message from its commit to here, in seconds."""
    delays, expected = [], last - MESSAGES + 1
    while expected <= last:
        event = client.event(timeout_s=60)
        assert event["seq"] == expected
        delays.append((datetime.now(UTC) - datetime.fromisoformat(event["at"])).total_seconds())
        expected += 1
    return delays


def test_it_misses_nothing_and_delays_nobody(server: Server) -> None:
    people = [make_person(name) for name in ("alice", "bob", "charlie")]
    alice, bob, charlie = people
    draft = RoomDraft(name="Slow", kind="private", members=[bob.id, charlie.id])
    room = services.create_room(user_id=alice.id, draft=draft).room.id
    last = 3 + MESSAGES
    slow = [Client(server, bob, sock=narrow_socket(server), max_queue=1) for _ in range(SLOW_READERS)]
    brisk = Client(server, charlie)
    for client in (*slow, brisk):
        client.act("join", room=str(room))
    before = resident_bytes(server)

    with ThreadPoolExecutor(2) as pool:
        began = time.monotonic()
        delays = pool.submit(delays_of, brisk, last)
        pool.submit(send_all, server, room, alice, MESSAGES).result()
        worst_s = max(delays.result())
        held = resident_bytes(server) - before
        time.sleep(max(0.0, PAUSE_S - (time.monotonic() - began)))

    assert held < SLOW_READERS * BOUND_BYTES + 16 * 2**20, f"{held / 2**20:.0f} MiB held"
    assert worst_s < 1.5
    for client in slow:
        assert [event["seq"] for event in client.events_until(last)] == list(range(4, last + 1))
        client.connection.close()
    brisk.connection.close()


def test_it_is_cut_when_it_takes_nothing_for_too_long(start_server: StartServer) -> None:
    alice, bob = make_person("alice"), make_person("bob")
    draft = RoomDraft(name="Stalled", kind="private", members=[bob.id])
    room = services.create_room(user_id=alice.id, draft=draft).room.id
    server = start_server(ROOMLOG_STALLED_WRITER_S="0.5")
    stalled = Client(server, bob, sock=narrow_socket(server), max_queue=1)
    stalled.act("join", room=str(room))

    send_all(server, room, alice, 2_500)
    wait_until_alone(server)

    seqs: list[int] = []
    with pytest.raises(ConnectionClosedError):
        for _ in range(2_500):
            seqs.append(msgspec.json.decode(stalled.connection.recv(timeout=10))["seq"])
    assert seqs == list(range(3, 3 + len(seqs)))
    assert 0 < len(seqs) < 2_500
