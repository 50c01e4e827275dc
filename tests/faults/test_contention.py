"""Fifty writers in three processes: every log has one order without holes, and no writer is refused."""

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from uuid import UUID

import pytest
from django.conf import settings
from django.db import connection

from messaging.models import Message
from messaging.services.send import send_message
from messaging.wire.actions import Send
from messaging.wire.shapes import Sent
from rooms import services
from rooms.models import Entry, Head
from rooms.schema import NewRoom
from tests.people import Person, make_person
from tests.servers import Server
from tests.sockets import Client

THREADS, SOCKETS, SENDS_EACH, ROOMS = 20, 30, 20, 3


def send_from_thread(person: Person, rooms: list[UUID]) -> list[float]:
    """Sends in this process, through the services. Returns the duration of each send, in seconds."""
    principal, durations = person.principal, []
    for number, room in zip(range(SENDS_EACH), rooms * SENDS_EACH, strict=False):
        began = time.monotonic()
        send = Send(room=room, text="from a thread", client_id=f"t-{number}")
        verdict = send_message(send, sender=principal)
        durations.append(time.monotonic() - began)
        assert isinstance(verdict, Sent), verdict
    connection.close()
    return durations


def send_from_socket(server: Server, person: Person, rooms: list[UUID]) -> list[float]:
    """Sends in the process of `server`, over a socket. Returns the duration of each send, in seconds."""
    durations = []
    with Client(server, person) as client:
        for number, room in zip(range(SENDS_EACH), rooms * SENDS_EACH, strict=False):
            began = time.monotonic()
            reply = client.act("send", room=str(room), text="from a socket", client_id=f"s-{number}")
            durations.append(time.monotonic() - began)
            assert reply["response_status"] == 201, reply
    return durations


def test_it_leaves_no_holes_and_refuses_no_writer(usual_pair: list[Server], capsys: pytest.CaptureFixture[str]) -> None:
    people = [make_person(f"writer{number}") for number in range(THREADS + SOCKETS)]
    members = [person.id for person in people[1:]]
    draft = NewRoom(name="Busy", kind="private", members=members)
    rooms = [services.create_room(user_id=people[0].id, new=draft).room.id for _ in range(ROOMS)]
    turn = count()

    with ThreadPoolExecutor(len(people)) as pool:
        futures = [pool.submit(send_from_thread, person, rooms) for person in people[:THREADS]]
        futures += [
            pool.submit(send_from_socket, usual_pair[next(turn) % 2], person, rooms) for person in people[THREADS:]
        ]
        durations = sorted(duration for future in futures for duration in future.result())

    for room in rooms:
        check_log(room, entries_before=len(people))
    assert Message.objects.count() == len(people) * SENDS_EACH
    with capsys.disabled():
        engine = settings.DATABASES["default"]["ENGINE"].rpartition(".")[2]
        median, longest = durations[len(durations) // 2], durations[-1]
        print(
            f"\n{len(people)} writers, 3 processes, {engine}: median duration {median:.3f} s, longest {longest:.3f} s"
        )


def check_log(room: UUID, *, entries_before: int) -> None:
    ids = list(Message.objects.filter(room_id=room).order_by("seq").values_list("id", flat=True))
    seqs = list(Entry.objects.filter(room_id=room).order_by("seq").values_list("seq", flat=True))
    assert ids == list(range(1, len(ids) + 1))
    assert seqs == list(range(1, len(seqs) + 1))
    head = Head.objects.get(room_id=room)
    assert (head.seq, head.message_id) == (entries_before + len(ids), len(ids))
