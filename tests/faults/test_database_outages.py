"""The connections to the database break, some of them right after a COMMIT; then the database is down for a while."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from messaging.models import Message
from rooms.models import Entry
from tests.conftest import StartServer
from tests.engine import only_on
from tests.faults.proxy import DatabaseProxy
from tests.people import Person
from tests.servers import Server
from tests.sockets import Client, Frame

CUTS = 12
OUTAGE_S, RECOVERY_S = 2.0, 5.0

pytestmark = only_on("postgresql")


@pytest.fixture
def proxy(transactional_db: None) -> Iterator[DatabaseProxy]:
    with DatabaseProxy() as proxy:
        yield proxy


@pytest.fixture
def server(proxy: DatabaseProxy, start_server: StartServer) -> Server:
    return start_server(DATABASE_URL=proxy.url, DATABASE_PATIENCE_S="0.3")


class RetryingSender:
    """Sends one message after another, and repeats each until it is acknowledged."""

    def __init__(self) -> None:
        self.acknowledged: dict[str, int] = {}
        self.refused = 0
        self.is_stopping = threading.Event()

    def run(self, server: Server, person: Person, room: UUID) -> None:
        with Client(server, person) as client:
            while not self.is_stopping.is_set():
                key = f"c-{len(self.acknowledged)}"
                while (reply := say(client, room, key))["response_status"] != 201:
                    assert reply["errors"][0]["code"] in {"unavailable", "overloaded"}, reply
                    self.refused += 1
                self.acknowledged[key] = reply["data"]["id"]


def say(client: Client, room: UUID, key: str) -> Frame:
    return client.act("send", room=str(room), text=key, client_id=key)


def test_it_neither_loses_nor_duplicates_a_message(
    server: Server, proxy: DatabaseProxy, room: UUID, alice: Person, bob: Person
) -> None:
    senders = {person: RetryingSender() for person in (alice, bob)}
    with Client(server, bob) as follower, ThreadPoolExecutor() as pool:
        follower.act("join", room=str(room))
        futures = [pool.submit(sender.run, server, person, room) for person, sender in senders.items()]
        for turn in range(CUTS):
            target = count_acknowledged(senders) + 4
            wait_until(lambda: count_acknowledged(senders) >= target)  # noqa: B023 - called before the next turn
            if turn % 2:
                proxy.cut()
            else:
                proxy.cut_after_commit()
                wait_until(lambda: not proxy.is_waiting_for_commit)
        for sender, future in zip(senders.values(), futures, strict=True):
            sender.is_stopping.set()
            future.result()
        seqs = list(Entry.objects.filter(room_id=room).order_by("seq").values_list("seq", flat=True))
        assert [event["seq"] for event in follower.events_until(seqs[-1])] == list(range(3, seqs[-1] + 1))

    assert seqs == list(range(1, len(seqs) + 1))
    stored = {(m.sender_id, m.client_id): m.id for m in Message.objects.filter(room_id=room)}
    acknowledged = {
        (person.id, key): message_id
        for person, sender in senders.items()
        for key, message_id in sender.acknowledged.items()
    }
    assert stored == acknowledged
    assert sorted(stored.values()) == list(range(1, len(stored) + 1))
    assert proxy.unanswered_commits == CUTS // 2
    refused = sum(sender.refused for sender in senders.values())
    print(f"\n{len(stored)} messages, {CUTS} cuts, {proxy.unanswered_commits} commits unanswered, {refused} refused")


def test_it_answers_unavailable_while_the_database_is_down(
    server: Server, proxy: DatabaseProxy, room: UUID, alice: Person, bob: Person
) -> None:
    with Client(server, alice) as client, server.rest(alice.headers) as rest:
        client.act("join", room=str(room))
        proxy.close()
        stopped_at = time.monotonic()

        answers = [client.act("history", room=str(room)), client.act("join", room=str(room), after=0)]
        for answer in answers:
            assert (answer["response_status"], answer["errors"][0]["code"]) == (503, "unavailable")
            assert answer["errors"][0]["retry_after"]
        page = rest.get(f"/api/v1/rooms/{room}/messages/")
        assert (page.status_code, page.json()["code"]) == (503, "unavailable")
        assert page.headers["Retry-After"] == "1"
        login = httpx.post(f"{server.url}/_allauth/app/v1/auth/login", json={"username": "alice", "password": "x"})
        assert (login.status_code, login.json()["code"]) == (503, "unavailable")
        assert (rest.get("/healthz").status_code, rest.get("/readyz").status_code) == (200, 503)
        assert close_code(server, bob) == 4003

        time.sleep(max(0.0, stopped_at + OUTAGE_S - time.monotonic()))
        proxy.open()
        restarted_at = time.monotonic()
        while say(client, room, "c-1")["response_status"] != 201:
            assert time.monotonic() - restarted_at < RECOVERY_S
        while rest.get("/readyz").status_code != 200:
            assert time.monotonic() - restarted_at < RECOVERY_S
        assert client.act("join", room=str(room), after=0)["data"]["resync"] is False
        assert client.event()["seq"] == 3  # the follow from before the join that failed has gone on
        assert [event["seq"] for event in client.events_until(3)] == [1, 2, 3]
        print(f"\nready again {time.monotonic() - restarted_at:.2f} s after the database restarted")


def count_acknowledged(senders: dict[Person, RetryingSender]) -> int:
    return sum(len(sender.acknowledged) for sender in senders.values())


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + RECOVERY_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def close_code(server: Server, person: Person) -> int:
    with pytest.raises(ConnectionClosed) as closed:
        Client(server, person)
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code
