"""A server that is killed in the middle of a thousand sends loses no message that it acknowledged."""

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

SENDERS, SENDS_EACH = 10, 100
KILL_AFTER_ACKS = 300
# The seqs of the messages; the entries of the members come first.
SEQS = list(range(SENDERS + 1, SENDERS + SENDERS * SENDS_EACH + 1))

Acks = dict[tuple[UUID, str], tuple[int, int]]  # (sender, client_id): (id, seq)


async def send_all(server: Server, room: UUID, person: Person, acks: Acks, enough: asyncio.Event) -> None:
    """Sends what is not acknowledged yet, and records the acks. Returns after the last one, or when the server dies."""
    try:
        async with connect(server.ws_url, additional_headers=person.headers, compression=None) as connection:
            await connection.recv()
            pending = {f"c-{number}" for number in range(SENDS_EACH)} - {
                key for sender, key in acks if sender == person.id
            }
            for key in sorted(pending):
                send = {"action": "send", "request_id": key, "room": str(room), "text": key, "client_id": key}
                await connection.send(msgspec.json.encode(send).decode())
            while pending:
                reply = msgspec.json.decode(await connection.recv())
                assert reply["response_status"] == 201, reply
                acks[person.id, reply["request_id"]] = reply["data"]["id"], reply["data"]["seq"]
                pending.discard(reply["request_id"])
                if len(acks) >= KILL_AFTER_ACKS:
                    enough.set()
    except ConnectionClosed:
        pass


async def send_until_killed(server: Server, room: UUID, people: list[Person], acks: Acks) -> None:
    """The acks of the first sender are discarded: its messages may be stored nevertheless."""
    enough, discarded = asyncio.Event(), Acks()
    tasks = [asyncio.create_task(send_all(server, room, people[0], discarded, enough))]
    tasks += [asyncio.create_task(send_all(server, room, person, acks, enough)) for person in people[1:]]
    await enough.wait()
    server.kill()
    await asyncio.gather(*tasks)


async def send_the_rest(server: Server, room: UUID, people: list[Person], acks: Acks) -> None:
    enough = asyncio.Event()
    await asyncio.gather(*(send_all(server, room, person, acks, enough) for person in people))


def check_log(room: UUID) -> dict[tuple[UUID, str], tuple[int, int]]:
    """Ids and seqs have no holes and match the head. Returns the stored messages."""
    messages = Message.objects.filter(room_id=room).order_by("id")
    seqs = list(Entry.objects.filter(room_id=room).order_by("seq").values_list("seq", flat=True))
    head = Head.objects.get(room_id=room)
    assert [message.id for message in messages] == list(range(1, len(messages) + 1))
    assert seqs == list(range(1, len(seqs) + 1))
    assert (head.seq, head.message_id) == (len(seqs), len(messages))
    found = {(message.sender_id, message.client_id): (message.id, message.seq) for message in messages}
    assert len(found) == len(messages)
    return found


def make_room_of_senders() -> tuple[UUID, list[Person]]:
    """Returns a room and its members, who will send."""
    people = [make_person(f"sender{number}") for number in range(SENDERS)]
    members = [person.id for person in people[1:]]
    draft = NewRoom(name="Kill", kind="private", members=members)
    return services.create_room(user_id=people[0].id, new=draft).room.id, people


def receive_seqs(follower: Client) -> list[int]:
    return [event["seq"] for event in follower.events_until(SEQS[-1])]


def test_it_keeps_every_acknowledged_message(server: Server) -> None:
    room, people = make_room_of_senders()
    acks: Acks = {}

    asyncio.run(send_until_killed(server, room, people, acks))

    server.start()
    stored = check_log(room)
    assert KILL_AFTER_ACKS <= len(acks) <= len(stored) < SENDERS * SENDS_EACH
    assert acks.items() <= stored.items()
    asyncio.run(send_the_rest(server, room, people, acks))
    assert check_log(room) == acks
    assert stored.items() <= acks.items()
    assert len(acks) == SENDERS * SENDS_EACH


def test_its_clients_continue_on_the_other_process(usual_pair: list[Server]) -> None:
    """A follower of the other process, and later one of the restarted process, receive everything once and in order."""
    killed, other = usual_pair
    room, people = make_room_of_senders()
    acks: Acks = {}
    with Client(other, people[0]) as follower:
        follower.act("join", room=str(room))
        asyncio.run(send_until_killed(killed, room, people, acks))
        asyncio.run(send_the_rest(other, room, people, acks))
        assert check_log(room) == acks
        assert len(acks) == SENDERS * SENDS_EACH
        assert receive_seqs(follower) == SEQS
    killed.start()
    with Client(killed, people[1]) as resumed:
        resumed.act("join", room=str(room), after=SENDERS)
        assert receive_seqs(resumed) == SEQS
