"""G6: removal is a place in the log, also when sends race it."""

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

Ends = dict[str, int]  # room: the seq of his removal


def race(rest: httpx.Client, owner: Client, member: Client, alice: Person, bob: Person) -> tuple[Ends, int]:
    """Bob sends, all the while, and Alice removes him. Returns where it ended, and how many sends came through."""
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


def check_log(room: UUID, bob: Person, replies: list[Frame]) -> tuple[Ends, int]:
    """No send of his commits after it; what was accepted is there, the rest was refused."""
    removed_at = Entry.objects.get(room_id=room, kind="member.removed").seq
    assert Entry.objects.filter(room_id=room).order_by("-seq")[0].seq == removed_at
    came_through = sum(reply["response_status"] == 201 for reply in replies)
    assert Message.objects.filter(room_id=room, sender_id=bob.id).count() == came_through
    assert [reply["response_status"] for reply in replies] == [201] * came_through + [404] * IN_FLIGHT
    return {str(room): removed_at}, came_through


def check_heard(owner: Client, member: Client, ends: Ends) -> None:
    """He hears of everything up to it, and of nothing after it, which others do."""
    for room, events in heard(member, ends).items():
        assert [event["seq"] for event in events] == list(range(3, ends[room] + 1))
        assert events[-1]["event"] == "member.removed"
    for room in ends:
        owner.act("send", room=room, text="he is gone")
    for room, events in heard(owner, {room: seq + 1 for room, seq in ends.items()}).items():
        assert [event["seq"] for event in events] == list(range(3, ends[room] + 2))
    assert member.is_quiet()


def heard(client: Client, ends: Ends) -> dict[str, list[Frame]]:
    """The events of each room up to its end."""
    found: dict[str, list[Frame]] = {room: [] for room in ends}
    while any(not events or events[-1]["seq"] < ends[room] for room, events in found.items()):
        event = client.event()
        if event["room"] in found:
            found[event["room"]].append(event)
    return found


def test_it_is_exact_when_it_is_done_on_another_process(pair: list[Server], alice: Person, bob: Person) -> None:
    with pair[0].rest(alice.headers) as rest, Client(pair[1], alice) as owner, Client(pair[1], bob) as member:
        race_many(RACES // 5, rest, owner, member, alice, bob)


def test_it_is_exact_a_hundred_times(server: Server, alice: Person, bob: Person) -> None:
    with server.rest(alice.headers) as rest, Client(server, alice) as owner, Client(server, bob) as member:
        race_many(RACES, rest, owner, member, alice, bob)


def race_many(count: int, rest: httpx.Client, owner: Client, member: Client, alice: Person, bob: Person) -> None:
    ends, came_through = Ends(), 0
    for _ in range(count):
        end, passed = race(rest, owner, member, alice, bob)
        ends |= end
        came_through += passed
    assert came_through > 0
    check_heard(owner, member, ends)
