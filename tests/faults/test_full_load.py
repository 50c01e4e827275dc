"""At full load every follower receives every event once and in order: fast ones, slow ones and reconnecting ones."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest

from rooms import services
from rooms.schema import NewRoom
from rooms.selectors import list_moved_heads
from tests.benchmarks.generator import Generator, Socket
from tests.faults.test_slow_reader import narrow_socket
from tests.people import Person, make_person
from tests.servers import Server
from tests.sockets import Client

FOLLOWERS, SENDERS, IN_FLIGHT = 30, 10, 2
LOAD_S, PAUSE_S = 1.5, 0.7


@pytest.fixture
def people(db: None) -> list[Person]:
    return [make_person(f"person{number}") for number in range(FOLLOWERS + 2)]


@pytest.fixture
def crowded_room(people: list[Person]) -> UUID:
    """A room with all of `people`."""
    first, *others = people
    draft = NewRoom(name="Crowd", kind="private", members=[person.id for person in others])
    return services.create_room(user_id=first.id, new=draft).room.id


def make_socket(person: Person, room: UUID, *, sends: bool) -> Socket:
    return Socket(
        sends=sends,
        header=f"Authorization: Bearer {person.token}",
        first=json.dumps({"action": "join", "room": str(room)}),
        ready='"response_status":200',
        prefix=f'{{"action":"send","room":"{room}","text":"',
        suffix='"}',
    )


def follow_and_reconnect(server: Server, person: Person, room: UUID, seqs: list[int], until: float) -> None:
    """Follows, disconnects and resumes from the last seq, until the time `until` has passed and nothing is missing."""
    while True:
        is_last = time.monotonic() > until
        with Client(server, person) as client:
            joined = client.act("join", room=str(room), after=seqs[-1], max_replay=100_000)
            assert not joined["data"]["resync"]
            head = joined["data"]["head"]["seq"]
            if seqs[-1] < head:
                seqs += [event["seq"] for event in client.events_until(head)]
            if is_last:
                return
            client.drop()


def test_it_delivers_every_event_once_to_every_follower(
    server: Server, people: list[Person], crowded_room: UUID, tmp_path: Path
) -> None:
    *followers, slow_person, flaky_person = people
    start = FOLLOWERS + 2
    sockets = [make_socket(person, crowded_room, sends=index < SENDERS) for index, person in enumerate(followers)]
    slow = Client(server, slow_person, sock=narrow_socket(server), max_queue=1)
    slow.act("join", room=str(crowded_room))
    flaky_seqs = [start]
    with ThreadPoolExecutor() as pool, Generator(sockets, port=server.port, directory=tmp_path, core=None) as clients:
        clients.connect()
        until = time.monotonic() + LOAD_S + PAUSE_S
        reconnecting = pool.submit(follow_and_reconnect, server, flaky_person, crowded_room, flaky_seqs, until)
        result = clients.closed(IN_FLIGHT, seconds=LOAD_S, warm_up_s=0)
        reconnecting.result()
    last = list_moved_heads(known={crowded_room: 0})[crowded_room]
    everything = list(range(start + 1, last + 1))

    assert result.is_exact, result
    assert result.messages > 100
    assert [event["seq"] for event in slow.events_until(last)] == everything
    assert flaky_seqs[1:] == everything
    slow.connection.close()
