"""`join` with `after`: replays all later events in order before any live event, or reports a resync or a gap."""

import uuid
from typing import Any
from uuid import UUID

import pytest

from messaging.models import Message
from rooms import services
from rooms.models import Entry, Head
from tests.people import Person
from tests.servers import Server
from tests.sockets import Client


def say(client: Client, room: UUID, count: int) -> None:
    for request in [client.start("send", room=str(room), text=str(number)) for number in range(count)]:
        assert client.reply(request)["response_status"] == 201


def seqs(events: list[dict[str, Any]]) -> list[int]:
    return [event["seq"] for event in events]


def test_it_works(server: Server, room: UUID, alice: Person, bob: Person) -> None:
    with Client(server, alice) as sender, Client(server, bob) as follower:
        say(sender, room, 10)

        reply = follower.act("join", room=str(room), after=5)

        assert reply["data"]["resync"] is False
        assert "messages" not in reply["data"]
        assert seqs(follower.events_until(12)) == list(range(6, 13))
        say(sender, room, 1)
        assert follower.event()["seq"] == 13


def test_it_replays_from_the_beginning(server: Server, room: UUID, alice: Person, bob: Person) -> None:
    with Client(server, alice) as sender, Client(server, bob) as follower:
        say(sender, room, 3)
        follower.act("join", room=str(room), after=0)
        events = follower.events_until(5)
        assert seqs(events) == [1, 2, 3, 4, 5]
        assert [event["event"] for event in events] == ["member.joined"] * 2 + ["message.created"] * 3
        assert events[0]["data"]["member"]["role"] == "owner"


def test_it_replays_the_events_as_they_were_sent_live(server: Server, room: UUID, alice: Person, bob: Person) -> None:
    with Client(server, alice) as sender, Client(server, bob) as follower, Client(server, bob) as resumed:
        follower.act("join", room=str(room))
        sender.act("send", room=str(room), text="hi", client_id="c", data={"a": [1, "x", None]})
        rest = server.rest(alice.headers)
        rest.patch(f"/api/v1/rooms/{room}/", json={"topic": "new"})
        rest.close()
        live = follower.events_until(4)
        resumed.act("join", room=str(room), after=2)
        assert resumed.events_until(4) == live


def test_it_replays_several_pages_without_a_hole(server: Server, room: UUID, alice: Person, bob: Person) -> None:
    with Client(server, alice) as sender, Client(server, bob) as follower:
        say(sender, room, 700)
        follower.act("join", room=str(room), after=1)
        assert seqs(follower.events_until(702)) == list(range(2, 703))


def test_it_resumes_during_concurrent_sends(server: Server, room: UUID, alice: Person, bob: Person) -> None:
    with Client(server, alice) as sender, Client(server, bob) as follower:
        say(sender, room, 300)
        requests = [sender.start("send", room=str(room), text="on") for _ in range(300)]
        follower.act("join", room=str(room), after=2)
        for request in requests:
            sender.reply(request)
        assert seqs(follower.events_until(602)) == list(range(3, 603))


def test_it_replays_nothing_if_the_client_is_at_the_head(server: Server, room: UUID, bob: Person) -> None:
    with Client(server, bob) as follower:
        assert follower.act("join", room=str(room), after=2)["data"]["resync"] is False
        assert follower.is_quiet()


@pytest.mark.parametrize(
    "position",
    [
        {"after": 500},
        {"after": 1, "max_replay": 3},
        {"after": 5, "epoch": str(uuid.uuid4())},
        {"epoch": str(uuid.uuid4())},
    ],
    ids=["beyond the head", "too many entries", "another epoch", "another epoch without a seq"],
)
def test_it_resyncs_if_it_cannot_replay(
    server: Server, room: UUID, alice: Person, bob: Person, position: dict[str, Any]
) -> None:
    with Client(server, alice) as sender, Client(server, bob) as follower:
        say(sender, room, 4)

        data = follower.act("join", room=str(room), **position)["data"]

        assert data["resync"] is True
        assert [message["id"] for message in data["messages"]] == [1, 2, 3, 4]
        assert follower.is_quiet()
        say(sender, room, 1)
        assert follower.event()["seq"] == data["head"]["seq"] + 1


def test_it_resyncs_after_the_epoch_has_changed(server: Server, room: UUID, bob: Person) -> None:
    with Client(server, bob) as follower:
        epoch = follower.hello["data"]["epoch"]
        assert follower.act("join", room=str(room), after=1, epoch=epoch)["data"]["resync"] is False
        services.change_epoch()
        assert follower.act("join", room=str(room), after=1, epoch=epoch)["data"]["resync"] is True


def test_it_includes_history_on_request(server: Server, room: UUID, alice: Person, bob: Person) -> None:
    with Client(server, alice) as sender, Client(server, bob) as follower:
        say(sender, room, 5)
        data = follower.act("join", room=str(room), history=3)["data"]
        assert [message["id"] for message in data["messages"]] == [3, 4, 5]
        assert data["resync"] is False


def test_it_sends_a_gap_for_entries_that_retention_has_removed(
    server: Server, room: UUID, alice: Person, bob: Person
) -> None:
    with Client(server, alice) as sender, Client(server, bob) as follower:
        say(sender, room, 10)
        Message.objects.filter(room_id=room, seq__lt=8).delete()
        Entry.objects.filter(room_id=room, seq__lt=8).delete()
        Head.objects.filter(room_id=room).update(floor=8)

        follower.act("join", room=str(room), after=3)

        gap = follower.event()
        assert gap == {"event": "gap", "room": str(room), "from": 4, "to": 7, "reason": "retention"}
        assert seqs(follower.events_until(12)) == [8, 9, 10, 11, 12]


def test_it_continues_the_replay_after_an_earlier_removal(
    server: Server, room: UUID, alice: Person, bob: Person
) -> None:
    """The replay does not end at the removal of a member who was added again later."""
    with Client(server, alice) as sender, Client(server, bob) as follower, server.rest(alice.headers) as rest:
        rest.delete(f"/api/v1/rooms/{room}/members/{bob.id}/")
        say(sender, room, 1)
        rest.post(f"/api/v1/rooms/{room}/members/", json={"user": str(bob.id)})
        say(sender, room, 1)
        follower.act("join", room=str(room), after=0)
        events = [event for event in follower.events_until(6) if "seq" in event]
        assert seqs(events) == [1, 2, 3, 4, 5, 6]
        say(sender, room, 1)
        assert follower.event()["seq"] == 7


def test_it_restarts_the_replay_after_a_second_join(server: Server, room: UUID, alice: Person, bob: Person) -> None:
    with Client(server, alice) as sender, Client(server, bob) as follower:
        follower.act("join", room=str(room))
        say(sender, room, 3)
        assert seqs(follower.events_until(5)) == [3, 4, 5]
        follower.act("join", room=str(room), after=3)
        assert seqs(follower.events_until(5)) == [4, 5]
        assert follower.is_quiet()
