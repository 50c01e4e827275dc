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


def test_it_reaches_the_senders_own_sockets(server: Server, room: UUID, alice: Person) -> None:
    with Client(server, alice) as phone, Client(server, alice) as desk:
        phone.act("join", room=str(room))
        desk.act("join", room=str(room))
        phone.act("send", room=str(room), text="hi")
        assert phone.event()["seq"] == desk.event()["seq"] == 3


def test_it_requires_membership_but_no_join(server: Server, room: UUID, alice: Person, charlie: Person) -> None:
    with Client(server, alice) as member, Client(server, charlie) as stranger:
        assert member.act("send", room=str(room), text="hi")["response_status"] == 201
        assert stranger.act("send", room=str(room), text="hi")["errors"][0]["code"] == "not_found"


def test_it_keeps_the_order_of_sends_in_flight(server: Server, room: UUID, alice: Person, bob: Person) -> None:
    with Client(server, alice) as sender, Client(server, bob) as follower:
        follower.act("join", room=str(room))
        requests = [sender.start("send", room=str(room), text=str(number)) for number in range(300)]
        replies = [sender.reply(request) for request in requests]
        assert [reply["data"]["id"] for reply in replies] == list(range(1, 301))
        events = follower.events_until(302)
        assert [event["seq"] for event in events] == list(range(3, 303))
        assert [event["data"]["text"] for event in events] == [str(number) for number in range(300)]


def test_it_stores_a_retried_message_once(server: Server, room: UUID, alice: Person, bob: Person) -> None:
    with Client(server, alice) as sender, Client(server, bob) as follower:
        follower.act("join", room=str(room))
        first = sender.act("send", room=str(room), text="hi", client_id="c-1")
        again = sender.act("send", room=str(room), text="hi", client_id="c-1")
        assert again["data"] == first["data"]
        reused = sender.act("send", room=str(room), text="other", client_id="c-1")
        assert reused["errors"][0]["code"] == "client_id_reused"
        assert follower.event()["seq"] == 3
        assert follower.is_quiet()


def test_it_shares_messages_and_client_ids_with_rest(server: Server, room: UUID, alice: Person, bob: Person) -> None:
    with Client(server, bob) as follower, server.rest(alice.headers) as rest:
        follower.act("join", room=str(room))
        body = {"text": "hi"}
        posted = rest.post(f"/api/v1/rooms/{room}/messages/", json=body, headers={"Idempotency-Key": '"k-1"'})
        assert posted.status_code == 201
        event = follower.event()
        assert (event["seq"], event["data"]["client_id"]) == (posted.json()["seq"], "k-1")
        with Client(server, alice) as sender:
            retry = sender.act("send", room=str(room), text="hi", client_id="k-1")
            assert retry["data"] == posted.json()


def test_it_hides_client_ids_that_the_server_generated(server: Server, room: UUID, alice: Person) -> None:
    with Client(server, alice) as client:
        client.act("join", room=str(room))
        client.act("send", room=str(room), text="hi")
        assert client.event()["data"]["client_id"] is None
        assert client.act("history", room=str(room))["data"]["messages"][0]["client_id"] is None


def test_it_completes_sends_before_a_later_leave(server: Server, room: UUID, bob: Person) -> None:
    with Client(server, bob) as client:
        sends = [client.start("send", room=str(room), text=str(number)) for number in range(20)]
        leave = client.start("leave", room=str(room), forget=True)
        for send in sends:
            assert client.reply(send)["response_status"] == 201
        assert client.reply(leave)["response_status"] == 200
