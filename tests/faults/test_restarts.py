"""Two servers are restarted in turn under load: no acknowledged message is lost, and clients change to the other."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from websockets.exceptions import ConnectionClosed, InvalidMessage

from messaging.models import Message
from rooms.models import Entry
from tests.engine import only_on
from tests.people import Person
from tests.servers import Server
from tests.sockets import Client

RESTARTS = int(os.environ.get("TEST_RESTARTS", "3"))
GRACE_S, RECONNECT_S = 10.0, 2.0


class RetryingSender:
    """Sends one message after another, repeats each until it is acknowledged, and changes servers on disconnect."""

    def __init__(self, servers: list[Server], person: Person, room: UUID) -> None:
        self.servers, self.person, self.room = servers, person, room
        self.acknowledged: dict[str, int] = {}
        self.silence_s: list[float] = [0.0]
        self.is_stopping = threading.Event()

    def run(self) -> None:
        index, answered_at = 0, time.monotonic()
        while not self.is_stopping.is_set():
            try:
                with Client(self.servers[index % 2], self.person) as client:
                    while not self.is_stopping.is_set():
                        self.send(client, f"c-{len(self.acknowledged)}")
                        self.silence_s.append(time.monotonic() - answered_at)
                        answered_at = time.monotonic()
            except (ConnectionClosed, OSError, EOFError, InvalidMessage):
                index += 1

    def send(self, client: Client, key: str) -> None:
        reply = client.act("send", room=str(self.room), text=key, client_id=key)
        if reply["response_status"] == 201:
            self.acknowledged[key] = reply["data"]["id"]
        else:
            assert reply["errors"][0]["code"] in {"unavailable", "overloaded"}, reply


pytestmark = only_on("postgresql")


def restart(server: Server) -> float:
    """Stops the server with SIGTERM and starts it again. Returns how many seconds the stop took."""
    began = time.monotonic()
    server.stop()
    stop_s = time.monotonic() - began
    server.start()
    return stop_s


def test_it_loses_no_acknowledged_message(redis_pair: list[Server], room: UUID, alice: Person, bob: Person) -> None:
    senders = [RetryingSender(redis_pair, person, room) for person in (alice, bob)]
    stop_s = []
    with ThreadPoolExecutor() as pool:
        futures = [pool.submit(sender.run) for sender in senders]
        for turn in range(RESTARTS):
            time.sleep(0.3)
            stop_s.append(restart(redis_pair[turn % 2]))
        for sender, future in zip(senders, futures, strict=True):
            sender.is_stopping.set()
            future.result()

    stored = {(m.sender_id, m.client_id): m.id for m in Message.objects.filter(room_id=room)}
    for sender in senders:
        for key, message_id in sender.acknowledged.items():
            assert stored[sender.person.id, key] == message_id
    assert sorted(stored.values()) == list(range(1, len(stored) + 1))
    seqs = list(Entry.objects.filter(room_id=room).order_by("seq").values_list("seq", flat=True))
    assert seqs == list(range(1, len(seqs) + 1))
    assert max(stop_s) < GRACE_S
    silence_s = max(max(sender.silence_s) for sender in senders)
    assert silence_s < RECONNECT_S
    print(f"\nstopped in {max(stop_s):.2f} s, clients back within {silence_s:.2f} s at most; {len(stored)} messages")
