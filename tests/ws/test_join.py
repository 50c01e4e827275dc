"""The action `join`."""

from uuid import UUID

from rooms import services
from rooms.schema import RoomPatch
from tests.people import Person
from tests.servers import Server
from tests.sockets import Client


def test_it_works(server: Server, room: UUID, alice: Person, bob: Person) -> None:
    with Client(server, alice) as owner, Client(server, bob) as member:
        for number in range(3):
            owner.act("send", room=str(room), text=str(number))

        reply = member.act("join", room=str(room))

        assert reply["response_status"] == 200
        data = reply["data"]
        assert data["room"]["id"] == str(room)
        assert data["room"]["member_count"] == 2
        assert data["membership"]["role"] == "member"
        assert data["membership"]["joined_seq"] == 2
        assert data["head"] == {"seq": 5, "message_id": 3, "floor": 1}
        assert data["unread"] == 3
        owner.act("send", room=str(room), text="after")
        assert member.event()["seq"] == 6


def test_it_makes_a_user_a_member_of_a_public_room(
    server: Server, public_room: UUID, alice: Person, charlie: Person
) -> None:
    with Client(server, alice) as owner, Client(server, charlie) as newcomer:
        owner.act("join", room=str(public_room))

        reply = newcomer.act("join", room=str(public_room))

        assert reply["data"]["membership"]["joined_seq"] == 2
        assert reply["data"]["unread"] == 0
        event = owner.event()
        assert (event["event"], event["seq"], event["actor"]) == ("member.joined", 2, str(charlie.id))
        assert event["data"]["member"]["user"]["username"] == "charlie"
        assert event["data"]["by"]["username"] == "charlie"
        assert newcomer.is_quiet()


def test_it_refuses_a_new_member_of_an_archived_room(
    server: Server, public_room: UUID, alice: Person, charlie: Person
) -> None:
    services.update_room(user_id=alice.id, room_id=public_room, patch=RoomPatch(archived=True))
    with Client(server, alice) as owner, Client(server, charlie) as newcomer:
        assert newcomer.act("join", room=str(public_room))["errors"][0]["code"] == "archived"
        assert owner.act("join", room=str(public_room))["response_status"] == 200


def test_it_can_be_repeated(server: Server, room: UUID, alice: Person, bob: Person) -> None:
    with Client(server, alice) as owner, Client(server, bob) as member:
        member.act("join", room=str(room))
        assert member.act("join", room=str(room))["response_status"] == 200
        owner.act("send", room=str(room), text="once")
        assert member.event()["seq"] == 3
        assert member.is_quiet()


def test_it_replies_before_it_sends_events_of_the_room(server: Server, room: UUID, alice: Person, bob: Person) -> None:
    with Client(server, alice) as sender, Client(server, bob) as follower:
        requests = [sender.start("send", room=str(room), text=str(number)) for number in range(30)]
        reply = follower.act("join", room=str(room))
        assert not follower.events
        for request in requests:
            sender.reply(request)
        head = reply["data"]["head"]["seq"]
        if head < 32:
            assert [event["seq"] for event in follower.events_until(32)] == list(range(head + 1, 33))
