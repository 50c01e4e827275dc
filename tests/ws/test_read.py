"""The action `read`."""

from uuid import UUID

from tests.people import Person
from tests.servers import Server
from tests.sockets import Client


def test_it_works(server: Server, room: UUID, alice: Person, bob: Person) -> None:
    with Client(server, alice) as sender, Client(server, bob) as reader, Client(server, bob) as other_device:
        for number in range(5):
            sender.act("send", room=str(room), text=str(number))

        assert reader.act("read", room=str(room), id=3)["data"] == {"read_id": 3, "unread": 2}

        event = other_device.event()
        assert event == {"event": "read", "room": str(room), "data": {"read_id": 3, "unread": 2}}
        assert sender.is_quiet()


def test_it_moves_the_cursor_back_only_with_unread(server: Server, room: UUID, alice: Person, bob: Person) -> None:
    with Client(server, alice) as sender, Client(server, bob) as reader:
        for number in range(5):
            sender.act("send", room=str(room), text=str(number))
        reader.act("read", room=str(room), id=4)

        assert reader.act("read", room=str(room), id=2)["data"] == {"read_id": 4, "unread": 1}
        assert reader.act("read", room=str(room), id=2, unread=True)["data"] == {"read_id": 2, "unread": 3}


def test_it_refuses_an_id_that_no_message_has_yet(server: Server, room: UUID, bob: Person) -> None:
    with Client(server, bob) as reader:
        error = reader.act("read", room=str(room), id=1)["errors"][0]
        assert (error["code"], error["field"]) == ("invalid", "id")


def test_it_moves_the_cursor_after_own_sends_if_nothing_was_unread(
    server: Server, room: UUID, alice: Person, bob: Person
) -> None:
    with Client(server, alice) as sender, Client(server, bob) as reader:
        sender.act("send", room=str(room), text="one")
        assert sender.act("join", room=str(room))["data"]["unread"] == 0
        reader.act("send", room=str(room), text="two")
        assert reader.act("join", room=str(room))["data"]["unread"] == 2
