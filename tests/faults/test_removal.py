"""G6: removal is a place in the log, also when sends race it."""

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import httpx

from messaging.models import Message
from rooms import services
from rooms.models import Entry
from rooms.schema import RoomDraft
from tests.people import Person
from tests.servers import Server
from tests.sockets import Client

RACES, SENDS = 100, 12


def race(rest: httpx.Client, owner: Client, member: Client, alice: Person, bob: Person) -> int:
    """Bob sends while Alice removes him. Returns how many of his sends came through."""
    draft = RoomDraft(name="Race", kind="private", members=[bob.id])
    room = services.create_room(user_id=alice.id, draft=draft).room.id
    owner.act("join", room=str(room))
    member.act("join", room=str(room))
    with ThreadPoolExecutor(1) as thread:
        sends = [member.start("send", room=str(room), text=str(number)) for number in range(SENDS // 2)]
        removal = thread.submit(rest.delete, f"/api/v1/rooms/{room}/members/{bob.id}/")
        sends += [member.start("send", room=str(room), text=str(number)) for number in range(SENDS // 2, SENDS)]
        replies = [member.reply(send) for send in sends]
        assert removal.result().status_code == 204
    check(room, owner, member, bob, replies)
    return sum(reply["response_status"] == 201 for reply in replies)


def check(room: UUID, owner: Client, member: Client, bob: Person, replies: list[dict[str, object]]) -> None:
    removed_at = Entry.objects.get(room_id=room, kind="member.removed").seq
    last = Entry.objects.filter(room_id=room).order_by("-seq")[0].seq
    # No send of his commits after it; what was accepted is there, the rest was refused.
    assert last == removed_at
    accepted = [reply for reply in replies if reply["response_status"] == 201]
    assert Message.objects.filter(room_id=room, sender_id=bob.id).count() == len(accepted)
    assert [reply["response_status"] for reply in replies] == [201] * len(accepted) + [404] * (SENDS - len(accepted))
    # He hears of everything up to it, and of nothing after it.
    heard = member.events_until(removed_at)
    assert [event["seq"] for event in heard if event["room"] == str(room)] == list(range(3, removed_at + 1))
    assert heard[-1]["event"] == "member.removed"
    owner.act("send", room=str(room), text="he is gone")
    assert [event["seq"] for event in owner.events_until(last + 1)] == list(range(3, last + 2))


def test_it_is_exact_when_it_is_done_on_another_process(pair: list[Server], alice: Person, bob: Person) -> None:
    with (
        pair[0].rest(alice.headers) as rest,
        Client(pair[0], alice) as owner,
        Client(pair[1], bob) as member,
    ):
        for _ in range(RACES // 20):
            race(rest, owner, member, alice, bob)


def test_it_is_exact_a_hundred_times(server: Server, alice: Person, bob: Person) -> None:
    with server.rest(alice.headers) as rest, Client(server, alice) as owner, Client(server, bob) as member:
        member_came_through = [race(rest, owner, member, alice, bob) for _ in range(RACES)]
        assert member.is_quiet()
        assert [event for event in member.events if event.get("seq")] == []
    assert 0 < sum(member_came_through) < RACES * SENDS  # the races were races
