"""The action `send`."""

from uuid import UUID

from tests.people import Person
from tests.servers import Server
from tests.sockets import Client


def test_it_works(server: Server, room: UUID, alice: Person, bob: Person) -> None:
    with Client(server, alice) as sender, Client(server, bob) as follower:
        follower.act("join", room=str(room))

        reply = sender.act("send", room=str(room), text="hi", client_id="c-1", data={"n": 1})

        assert reply["response_status"] == 201
        assert reply["data"] == {"room": str(room), "id": 1, "seq": 3, "created_at": reply["data"]["created_at"]}
        event = follower.event()
        assert (event["event"], event["seq"], event["actor"]) == ("message.created", 3, str(alice.id))
        assert event["data"]["text"] == "hi"
        assert event["data"]["client_id"] == "c-1"
