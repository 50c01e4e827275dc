"""G1 and G4: a server killed in the middle of a thousand sends loses nothing that it acknowledged."""

import asyncio
from uuid import UUID

import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from messaging.models import Message
from rooms import services
from rooms.models import Entry, Head
from rooms.schema import NewRoom
from tests.people import Person, make_person
from tests.servers import Server
from tests.sockets import Client

SENDERS, EACH = 10, 100
KILL_AFTER_ACKS = 300
SEQS = list(range(SENDERS + 1, SENDERS + SENDERS * EACH + 1))  # of the messages; before them come the members

Acks = dict[tuple[UUID, str], tuple[int, int]]  # sender and client_id: id and seq


async def send_all(server: Server, room: UUID, person: Person, acks: Acks, enough: asyncio.Event) -> None:
    """Send everything not acknowledged yet; take down what is. Ends with the last ack, or with the server."""
    try:
        async with connect(server.ws_url, additional_headers=person.headers, compression=None) as connection:
            await connection.recv()
            waiting = {f"c-{number}" for number in range(EACH)} - {key for sender, key in acks if sender == person.id}
            for key in sorted(waiting):
                send = {"action": "send", "request_id": key, "room": str(room), "text": key, "client_id": key}
                await connection.send(msgspec.json.encode(send).decode())
            while waiting:
                reply = msgspec.json.decode(await connection.recv())
                assert reply["response_status"] == 201, reply
                acks[person.id, reply["request_id"]] = reply["data"]["id"], reply["data"]["seq"]
                waiting.discard(reply["request_id"])
                if len(acks) >= KILL_AFTER_ACKS:
                    enough.set()
    except ConnectionClosed:
        pass


async def send_until_killed(server: Server, room: UUID, people: list[Person], acks: Acks) -> None:
    """The answers to the first of them are lost: what it sent may be there all the same."""
    enough, lost = asyncio.Event(), Acks()
    tasks = [asyncio.create_task(send_all(server, room, people[0], lost, enough))]
    tasks += [asyncio.create_task(send_all(server, room, person, acks, enough)) for person in people[1:]]
    await enough.wait()
    server.kill()
    await asyncio.gather(*tasks)


async def send_the_rest(server: Server, room: UUID, people: list[Person], acks: Acks) -> None:
    enough = asyncio.Event()
    await asyncio.gather(*(send_all(server, room, person, acks, enough) for person in people))


def check_log(room: UUID) -> dict[tuple[UUID, str], tuple[int, int]]:
    """Ids and seqs without a hole, in step with the head; what is there."""
    messages = Message.objects.filter(room_id=room).order_by("id")
    seqs = list(Entry.objects.filter(room_id=room).order_by("seq").values_list("seq", flat=True))
    head = Head.objects.get(room_id=room)
    assert [message.id for message in messages] == list(range(1, len(messages) + 1))
    assert seqs == list(range(1, len(seqs) + 1))
    assert (head.seq, head.message_id) == (len(seqs), len(messages))
    found = {(message.sender_id, message.client_id): (message.id, message.seq) for message in messages}
    assert len(found) == len(messages)
    return found


def busy_room() -> tuple[UUID, list[Person]]:
    """A room, and its members, who are about to send."""
    people = [make_person(f"sender{number}") for number in range(SENDERS)]
    members = [person.id for person in people[1:]]
    draft = NewRoom(name="Kill", kind="private", members=members)
    return services.create_room(user_id=people[0].id, new=draft).room.id, people


def seqs_heard(follower: Client) -> list[int]:
    return [event["seq"] for event in follower.events_until(SEQS[-1])]


def test_it_keeps_what_it_acknowledged(server: Server) -> None:
    room, people = busy_room()
    acks: Acks = {}

    asyncio.run(send_until_killed(server, room, people, acks))

    server.start()
    kept = check_log(room)
    assert KILL_AFTER_ACKS <= len(acks) <= len(kept) < SENDERS * EACH
    assert acks.items() <= kept.items()
    asyncio.run(send_the_rest(server, room, people, acks))
    assert check_log(room) == acks
    assert kept.items() <= acks.items()
    assert len(acks) == SENDERS * EACH


def test_its_clients_go_on_at_the_other_process(usual_pair: list[Server]) -> None:
    """Whoever follows there hears everything once and in order; so does, later, who comes back to the one killed."""
    killed, other = usual_pair
    room, people = busy_room()
    acks: Acks = {}
    with Client(other, people[0]) as follower:
        follower.act("join", room=str(room))
        asyncio.run(send_until_killed(killed, room, people, acks))
        asyncio.run(send_the_rest(other, room, people, acks))
        assert check_log(room) == acks
        assert len(acks) == SENDERS * EACH
        assert seqs_heard(follower) == SEQS
    killed.start()
    with Client(killed, people[1]) as newcomer:
        newcomer.act("join", room=str(room), after=SENDERS)
        assert seqs_heard(newcomer) == SEQS
