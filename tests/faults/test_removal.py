"""A removal is a position in the log, even if it races with the sends of the removed member."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import httpx

from messaging.models import Message
from rooms import services
from rooms.models import Entry
from rooms.schema import NewRoom
from tests.people import Person
from tests.servers import Server
from tests.sockets import Client, Frame

RACES, IN_FLIGHT = 100, 8

Seqs = dict[str, int]  # room: seq


def race(rest: httpx.Client, owner: Client, member: Client, alice: Person, bob: Person) -> tuple[Seqs, int]:
    """Alice removes Bob while he sends. Returns the seq of the removal, and how many of his sends were accepted."""
    draft = NewRoom(name="Race", kind="private", members=[bob.id])
    room = services.create_room(user_id=alice.id, new=draft).room.id
    owner.act("join", room=str(room))
    member.act("join", room=str(room))
    with ThreadPoolExecutor(1) as thread:
        sends = deque(member.start("send", room=str(room), text="hi") for _ in range(IN_FLIGHT))
        removal = thread.submit(rest.delete, f"/api/v1/rooms/{room}/members/{bob.id}/")
        replies = []
        while sends:
            replies.append(member.reply(sends.popleft()))
            if replies[-1]["response_status"] == 201:
                sends.append(member.start("send", room=str(room), text="hi"))
        assert removal.result().status_code == 204
    return check_log(room, bob, replies)


def check_log(room: UUID, bob: Person, replies: list[Frame]) -> tuple[Seqs, int]:
    """The removal is the last entry. The accepted sends are stored, and those after them were refused."""
    removed_at = Entry.objects.get(room_id=room, kind="member.removed").seq
    assert Entry.objects.filter(room_id=room).order_by("-seq")[0].seq == removed_at
    accepted = sum(reply["response_status"] == 201 for reply in replies)
    assert Message.objects.filter(room_id=room, sender_id=bob.id).count() == accepted
    assert [reply["response_status"] for reply in replies] == [201] * accepted + [404] * IN_FLIGHT
    return {str(room): removed_at}, accepted


def check_received(owner: Client, member: Client, removals: Seqs) -> None:
    """Bob receives everything up to his removal and nothing after it. Alice also receives what follows."""
    for room, events in receive_until(member, removals).items():
        assert [event["seq"] for event in events] == list(range(3, removals[room] + 1))
        assert events[-1]["event"] == "member.removed"
    for room in removals:
        owner.act("send", room=room, text="he is gone")
    for room, events in receive_until(owner, {room: seq + 1 for room, seq in removals.items()}).items():
        assert [event["seq"] for event in events] == list(range(3, removals[room] + 2))
    assert member.is_quiet()


def receive_until(client: Client, last_seqs: Seqs) -> dict[str, list[Frame]]:
    """Returns the entries of each room up to its last seq. Bob also receives `room.added`."""
    found: dict[str, list[Frame]] = {room: [] for room in last_seqs}
    while any(not events or events[-1]["seq"] < last_seqs[room] for room, events in found.items()):
        event = client.event()
        if event["room"] in found and event["event"] != "room.added":
            found[event["room"]].append(event)
    return found


def test_it_takes_effect_at_its_seq_on_another_process(pair: list[Server], alice: Person, bob: Person) -> None:
    with pair[0].rest(alice.headers) as rest, Client(pair[1], alice) as owner, Client(pair[1], bob) as member:
        race_many(RACES // 5, rest, owner, member, alice, bob)


def test_it_takes_effect_at_its_seq_in_every_race(server: Server, alice: Person, bob: Person) -> None:
    with server.rest(alice.headers) as rest, Client(server, alice) as owner, Client(server, bob) as member:
        race_many(RACES, rest, owner, member, alice, bob)


def race_many(count: int, rest: httpx.Client, owner: Client, member: Client, alice: Person, bob: Person) -> None:
    removals, accepted = Seqs(), 0
    for _ in range(count):
        removal, accepted_sends = race(rest, owner, member, alice, bob)
        removals |= removal
        accepted += accepted_sends
    assert accepted > 0
    check_received(owner, member, removals)
