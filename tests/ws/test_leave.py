"""The action `leave`."""

from uuid import UUID

from tests.people import Person
from tests.servers import Server
from tests.sockets import Client


def test_it_works(server: Server, room: UUID, alice: Person, bob: Person) -> None:
    with Client(server, alice) as sender, Client(server, bob) as follower:
        follower.act("join", room=str(room))

        assert follower.act("leave", room=str(room))["response_status"] == 200

        sender.act("send", room=str(room), text="hi")
        assert follower.is_quiet()
        assert follower.act("send", room=str(room), text="still a member")["response_status"] == 201


def test_it_ends_the_membership_with_forget(server: Server, room: UUID, alice: Person, bob: Person) -> None:
    with Client(server, alice) as owner, Client(server, bob) as member, Client(server, bob) as other_device:
        for client in (owner, member, other_device):
            client.act("join", room=str(room))

        assert member.act("leave", room=str(room), forget=True)["response_status"] == 200

        for client in (owner, other_device):
            event = client.event()
            assert (event["event"], event["seq"]) == ("member.left", 3)
            assert event["data"]["member"]["user"]["username"] == "bob"
        owner.act("send", room=str(room), text="alone")
        assert owner.event()["seq"] == 4
        assert other_device.is_quiet()
        assert member.act("send", room=str(room), text="hi")["errors"][0]["code"] == "not_found"


def test_it_sends_member_left_before_the_reply(server: Server, room: UUID, bob: Person) -> None:
    with Client(server, bob) as member:
        member.act("join", room=str(room))
        member.act("leave", room=str(room), forget=True)
        assert [event["event"] for event in member.events] == ["member.left"]


def test_it_does_not_let_the_last_owner_leave(server: Server, room: UUID, alice: Person) -> None:
    with Client(server, alice) as owner:
        owner.act("join", room=str(room))
        assert owner.act("leave", room=str(room), forget=True)["errors"][0]["code"] == "last_owner"
        owner.act("send", room=str(room), text="still following")
        assert owner.event()["seq"] == 3


def test_it_accepts_a_room_that_is_not_followed(server: Server, room: UUID, bob: Person) -> None:
    with Client(server, bob) as member:
        assert member.act("leave", room=str(room))["response_status"] == 200
