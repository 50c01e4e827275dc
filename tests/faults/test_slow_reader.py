"""A slow reader costs nothing and misses nothing, on the sender's process and on another."""

import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from django.db import connection
from websockets.exceptions import ConnectionClosedError

from messaging.fanout.pages import KEEP_S
from rooms import services
from rooms.schema import NewRoom
from tests.conftest import StartServer
from tests.engine import only_on
from tests.people import Person, make_person
from tests.servers import Server
from tests.sockets import Client

MESSAGES, SLOW_READERS = 2_000, 10  # slow readers on each process
PAUSE_S = {"postgresql": 5.0, "sqlite": 2.0}  # at least
FORGOTTEN_S = KEEP_S + 0.5  # after which no process keeps a page that somebody read while messages were sent
TEXT = "x" * 3_500
PAGE = 200  # entries
# For each slow reader: the bound of the buffer, one chunk beyond it, and the cost of any socket.
BOUND_BYTES = (64 + 64 + 64) * 1024
# For all together: the ring, pages of the log, and the memory for reading and writing them.
ROOM_WITH = {"name": "Tea", "kind": "private"}
ENOUGH = 400  # messages, to fill every buffer on the way to a client that does not read
SHARED_BYTES = 24 * 2**20
LATEST_S = 1.5  # after the commit: without a layer, only the sweep tells the other process


def resident_bytes(server: Server) -> int:
    return int(Path(f"/proc/{server.pid}/statm").read_text().split()[1]) * 4096


def narrow_socket(server: Server) -> socket.socket:
    """Connects with a small receive buffer, so that the server soon notices a client that does not read."""
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


def wait_until_no_socket(server: Server) -> None:
    deadline = time.monotonic() + 10
    while server.readiness()["sockets"]:
        assert time.monotonic() < deadline, "the stalled socket is still open"
        time.sleep(0.05)


def delays_of(client: Client, last: int) -> list[float]:
    """Reads up to the seq `last`. Returns the seconds from the commit of each message to its arrival."""
    delays, expected = [], last - MESSAGES + 1
    while expected <= last:
        event = client.event(timeout_s=60)
        assert event["seq"] == expected
        delays.append((datetime.now(UTC) - datetime.fromisoformat(event["at"])).total_seconds())
        expected += 1
    return delays


def test_it_misses_nothing_and_delays_no_other_reader(usual_pair: list[Server]) -> None:
    sending, _ = usual_pair
    people = [make_person(name) for name in ("alice", "bob", "charlie")]
    alice, bob, charlie = people
    draft = NewRoom(name="Slow", kind="private", members=[bob.id, charlie.id])
    room = services.create_room(user_id=alice.id, new=draft).room.id
    last = 3 + MESSAGES
    slow = [Client(server, bob, sock=narrow_socket(server), max_queue=1) for server in usual_pair * SLOW_READERS]
    brisk = [Client(server, charlie) for server in usual_pair]
    for client in (*slow, *brisk):
        client.act("join", room=str(room))
    before = [resident_bytes(server) for server in usual_pair]

    with ThreadPoolExecutor() as pool:
        began = time.monotonic()
        delays = [pool.submit(delays_of, client, last) for client in brisk]
        pool.submit(send_all, sending, room, alice, MESSAGES).result()
        worst_s = max(delay for done in delays for delay in done.result())
        held = max(resident_bytes(server) - size for server, size in zip(usual_pair, before, strict=True))
        time.sleep(max(FORGOTTEN_S, PAUSE_S[connection.vendor] - (time.monotonic() - began)))

    read = [server.readiness()["pages_read"] for server in usual_pair]

    assert held < SLOW_READERS * BOUND_BYTES + SHARED_BYTES, f"{held / 2**20:.0f} MiB held"
    assert worst_s < LATEST_S
    for client in slow:
        assert [event["seq"] for event in client.events_until(last)] == list(range(4, last + 1))
    # Nothing was queued for them: at most one page was in their buffers, and the rest was read from the log.
    for server, before_it in zip(usual_pair, read, strict=True):
        assert server.readiness()["pages_read"] - before_it >= MESSAGES // PAGE
    for client in (*slow, *brisk):
        client.connection.close()


def test_it_receives_what_concerns_its_user_when_it_reads_again(usual_pair: list[Server]) -> None:
    alice, bob = make_person("alice"), make_person("bob")
    draft = NewRoom(name="Slow", kind="private", members=[bob.id])
    room = services.create_room(user_id=alice.id, new=draft).room.id
    slow = [Client(server, bob, sock=narrow_socket(server), max_queue=1) for server in usual_pair]
    for client in slow:
        client.act("join", room=str(room))
    send_all(usual_pair[0], room, alice, ENOUGH)
    time.sleep(LATEST_S)  # then the buffers of both are full

    with usual_pair[0].rest(alice.headers) as rest:
        added = [rest.post("/api/v1/rooms/", json=ROOM_WITH | {"members": [str(bob.id)]}).json() for _ in range(5)]
    with usual_pair[1].rest(bob.headers) as rest:
        for message_id in (1, 2, ENOUGH):
            rest.put(f"/api/v1/rooms/{room}/read/", json={"id": message_id}).raise_for_status()
    time.sleep(LATEST_S)  # so that both processes have tried to tell it

    for client in slow:
        received: list[tuple[str, str]] = []
        while ("read", str(room)) not in received:
            event = client.event(timeout_s=LATEST_S)
            if "seq" not in event:
                received.append((event["event"], event["room"]))
        assert received == [*(("room.added", one["id"]) for one in added), ("read", str(room))]
        assert event["data"] == {"read_id": ENOUGH, "unread": 0}
        client.connection.close()


def sends_a_close_frame(client: Client) -> None:
    client.connection.socket.sendall(b"\x88\x82\x00\x00\x00\x00\x03\xe8")  # a masked close frame, 1000


def breaks_the_protocol(client: Client) -> None:
    client.connection.socket.sendall(b"\xff\xff")


def ends_its_data(client: Client) -> None:
    client.connection.socket.shutdown(socket.SHUT_WR)


@only_on("sqlite")
@pytest.mark.parametrize("end", [sends_a_close_frame, breaks_the_protocol, ends_its_data])
def test_its_connection_ends_though_it_reads_nothing(start_server: StartServer, end: Callable[[Client], None]) -> None:
    alice, bob = make_person("alice"), make_person("bob")
    draft = NewRoom(name="Ended", kind="private", members=[bob.id])
    room = services.create_room(user_id=alice.id, new=draft).room.id
    server = start_server(ROOMLOG_STALLED_WRITER_S="0.5")
    before = count_connections(server)
    stalled = Client(server, bob, sock=narrow_socket(server), max_queue=1)
    stalled.act("join", room=str(room))
    send_all(server, room, alice, 2_500)

    end(stalled)

    deadline = time.monotonic() + 10
    while count_connections(server) > before:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert server.readiness()["sockets"] == 0
    with suppress(OSError):
        stalled.drop()


def count_connections(server: Server) -> int:
    """Returns the number of sockets that a process has open, connections among them."""
    files = Path(f"/proc/{server.pid}/fd").iterdir()
    count = 0
    for file in files:
        with suppress(FileNotFoundError):  # closed since the listing
            count += str(file.readlink()).startswith("socket:")
    return count


@only_on("sqlite")
def test_it_is_disconnected_when_it_reads_nothing_for_too_long(start_server: StartServer) -> None:
    alice, bob = make_person("alice"), make_person("bob")
    draft = NewRoom(name="Stalled", kind="private", members=[bob.id])
    room = services.create_room(user_id=alice.id, new=draft).room.id
    server = start_server(ROOMLOG_STALLED_WRITER_S="0.5")
    stalled = Client(server, bob, sock=narrow_socket(server), max_queue=1)
    stalled.act("join", room=str(room))

    send_all(server, room, alice, 2_500)
    wait_until_no_socket(server)

    seqs: list[int] = []
    with pytest.raises(ConnectionClosedError):
        for _ in range(2_500):
            seqs.append(msgspec.json.decode(stalled.connection.recv(timeout=10))["seq"])
    assert seqs == list(range(3, 3 + len(seqs)))
    assert 0 < len(seqs) < 2_500
