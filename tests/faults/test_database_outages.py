"""G1, G2, G4, G8: connections to the database break, also right behind a COMMIT, and it is away for a while."""

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
from tests.faults.proxy import Tap
from tests.people import Person
from tests.servers import Server
from tests.sockets import Client, Frame

CUTS = 12
AWAY_S, BACK_S = 2.0, 5.0

pytestmark = only_on("postgresql")


@pytest.fixture
def tap(transactional_db: None) -> Iterator[Tap]:
    with Tap() as tap:
        yield tap


@pytest.fixture
def server(tap: Tap, start_server: StartServer) -> Server:
    return start_server(DATABASE_URL=tap.url, DATABASE_PATIENCE_S="0.3")


class Talker:
    """Sends one message after the other, each again until it is acknowledged."""

    def __init__(self) -> None:
        self.acknowledged: dict[str, int] = {}
        self.refused = 0
        self.is_over = threading.Event()

    def run(self, server: Server, person: Person, room: UUID) -> None:
        with Client(server, person) as client:
            while not self.is_over.is_set():
                key = f"c-{len(self.acknowledged)}"
                while (reply := say(client, room, key))["response_status"] != 201:
                    assert reply["errors"][0]["code"] in {"unavailable", "overloaded"}, reply
                    self.refused += 1
                self.acknowledged[key] = reply["data"]["id"]


def say(client: Client, room: UUID, key: str) -> Frame:
    return client.act("send", room=str(room), text=key, client_id=key)


def test_it_loses_and_doubles_nothing(server: Server, tap: Tap, room: UUID, alice: Person, bob: Person) -> None:
    talkers = {person: Talker() for person in (alice, bob)}
    with Client(server, bob) as follower, ThreadPoolExecutor() as pool:
        follower.act("join", room=str(room))
        talking = [pool.submit(talker.run, server, person, room) for person, talker in talkers.items()]
        for turn in range(CUTS):
            goal = count_said(talkers) + 4
            wait_until(lambda: count_said(talkers) >= goal)  # noqa: B023 - in this turn
            if turn % 2:
                tap.cut()
            else:
                tap.cut_behind_a_commit()
                wait_until(lambda: not tap.is_deaf)
        for talker, done in zip(talkers.values(), talking, strict=True):
            talker.is_over.set()
            done.result()
        seqs = list(Entry.objects.filter(room_id=room).order_by("seq").values_list("seq", flat=True))
        assert [event["seq"] for event in follower.events_until(seqs[-1])] == list(range(3, seqs[-1] + 1))

    assert seqs == list(range(1, len(seqs) + 1))
    kept = {(m.sender_id, m.client_id): m.id for m in Message.objects.filter(room_id=room)}
    said = {(person.id, key): place for person, talker in talkers.items() for key, place in talker.acknowledged.items()}
    assert kept == said
    assert sorted(kept.values()) == list(range(1, len(kept) + 1))
    assert tap.unheard == CUTS // 2
    refused = sum(talker.refused for talker in talkers.values())
    print(f"\n{len(kept)} messages, {CUTS} cuts, {tap.unheard} commits unheard, {refused} answered with 503")


def test_it_says_so_while_it_is_away(server: Server, tap: Tap, room: UUID, alice: Person, bob: Person) -> None:
    with Client(server, alice) as client, server.rest(alice.headers) as rest:
        client.act("join", room=str(room))
        tap.close()
        gone_at = time.monotonic()

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

        time.sleep(max(0.0, gone_at + AWAY_S - time.monotonic()))
        tap.open()
        back_at = time.monotonic()
        while say(client, room, "c-1")["response_status"] != 201:
            assert time.monotonic() - back_at < BACK_S
        while rest.get("/readyz").status_code != 200:
            assert time.monotonic() - back_at < BACK_S
        assert client.act("join", room=str(room), after=0)["data"]["resync"] is False
        assert [event["seq"] for event in client.events_until(3)] == [1, 2, 3]
        print(f"\nback {time.monotonic() - back_at:.2f} s after the database")


def count_said(talkers: dict[Person, Talker]) -> int:
    return sum(len(talker.acknowledged) for talker in talkers.values())


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + BACK_S
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def close_code(server: Server, person: Person) -> int:
    with pytest.raises(ConnectionClosed) as closed:
        Client(server, person)
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code
