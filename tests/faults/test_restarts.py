"""SIGTERM under load to one of two, ten times: nothing acknowledged is lost, and clients are back on the other."""

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

TIMES = int(os.environ.get("TEST_GOODBYES", "3"))
GRACE_S, BACK_S = 10.0, 2.0


class Talker:
    """Sends all the while with a client_id each, retries what was not answered, moves on when it is sent away."""

    def __init__(self, servers: list[Server], person: Person, room: UUID) -> None:
        self.servers, self.person, self.room = servers, person, room
        self.acknowledged: dict[str, int] = {}
        self.silence_s: list[float] = [0.0]
        self.is_over = threading.Event()

    def run(self) -> None:
        place, heard_at = 0, time.monotonic()
        while not self.is_over.is_set():
            try:
                with Client(self.servers[place % 2], self.person) as client:
                    while not self.is_over.is_set():
                        self.say(client, f"c-{len(self.acknowledged)}")
                        self.silence_s.append(time.monotonic() - heard_at)
                        heard_at = time.monotonic()
            except (ConnectionClosed, OSError, EOFError, InvalidMessage):
                place += 1

    def say(self, client: Client, key: str) -> None:
        reply = client.act("send", room=str(self.room), text=key, client_id=key)
        if reply["response_status"] == 201:
            self.acknowledged[key] = reply["data"]["id"]
        else:
            assert reply["errors"][0]["code"] in {"unavailable", "overloaded"}, reply


pytestmark = only_on("postgresql")


def restart(server: Server) -> float:
    """Send it away and bring it back. Returns the seconds until it was out."""
    began = time.monotonic()
    server.stop()
    out_s = time.monotonic() - began
    server.start()
    return out_s


def test_it_loses_nothing(redis_pair: list[Server], room: UUID, alice: Person, bob: Person) -> None:
    talkers = [Talker(redis_pair, person, room) for person in (alice, bob)]
    out_s = []
    with ThreadPoolExecutor() as pool:
        talking = [pool.submit(talker.run) for talker in talkers]
        for turn in range(TIMES):
            time.sleep(0.3)
            out_s.append(restart(redis_pair[turn % 2]))
        for talker, done in zip(talkers, talking, strict=True):
            talker.is_over.set()
            done.result()

    kept = {(m.sender_id, m.client_id): m.id for m in Message.objects.filter(room_id=room)}
    for talker in talkers:
        for key, message_id in talker.acknowledged.items():
            assert kept[talker.person.id, key] == message_id
    assert sorted(kept.values()) == list(range(1, len(kept) + 1))
    seqs = list(Entry.objects.filter(room_id=room).order_by("seq").values_list("seq", flat=True))
    assert seqs == list(range(1, len(seqs) + 1))
    assert max(out_s) < GRACE_S
    silence_s = max(max(talker.silence_s) for talker in talkers)
    assert silence_s < BACK_S
    print(f"\nout in {max(out_s):.2f} s, back within {silence_s:.2f} s at most; {len(kept)} messages")
