"""The action `sync`."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest

from rooms import services
from rooms.schema import NewRoom
from tests.people import Person
from tests.servers import Server
from tests.sockets import Client


@pytest.fixture
def rooms(alice: Person, bob: Person) -> list[UUID]:
    draft = NewRoom(name="Many", kind="private", members=[bob.id])
    return [services.create_room(user_id=alice.id, new=draft).room.id for _ in range(5)]


def test_it_works(server: Server, rooms: list[UUID], alice: Person, bob: Person) -> None:
    with Client(server, alice) as sender, Client(server, bob) as follower:
        for room in rooms:
            for _ in range(3):
                sender.act("send", room=str(room), text="hi")

        reply = follower.act("sync", rooms={str(rooms[0]): 3, str(rooms[1]): None, str(rooms[2]): 5})

        assert reply["response_status"] == 200
        answer = reply["data"]["rooms"]
        assert answer[str(rooms[0])] == {
            "head": {"seq": 5, "message_id": 3, "floor": 1},
            "unread": 3,
            "resync": False,
        }
        assert [(event["room"], event["seq"]) for event in follower.events_until(5)] == [
            (str(rooms[0]), 4),
            (str(rooms[0]), 5),
        ]
        for room in rooms:
            sender.act("send", room=str(room), text="live")
        received = {follower.event()["room"] for _ in range(3)}
        assert received == {str(room) for room in rooms[:3]}
        assert follower.is_quiet()


def test_it_does_not_interrupt_a_room_that_is_already_followed(
    server: Server, rooms: list[UUID], alice: Person, bob: Person
) -> None:
    room, count = str(rooms[0]), 200
    with Client(server, alice) as sender, Client(server, bob) as follower, ThreadPoolExecutor(1) as pool:
        follower.act("join", room=room)
        requests = [sender.start("send", room=room, text="hi") for _ in range(count)]
        answering = pool.submit(lambda: [sender.reply(request)["response_status"] for request in requests])
        while not answering.done():
            assert follower.act("sync", rooms={room: None})["data"]["rooms"][room]["resync"] is False
        assert [event["seq"] for event in follower.events_until(count + 2)] == list(range(3, count + 3))


def test_it_answers_each_room_separately(server: Server, rooms: list[UUID], public_room: UUID, bob: Person) -> None:
    missing = uuid.uuid4()
    with Client(server, bob) as follower:
        positions = {str(rooms[0]): 0, str(public_room): 0, str(missing): None, str(rooms[1]): 99}
        answer = follower.act("sync", rooms=positions)["data"]["rooms"]
        assert answer[str(rooms[0])]["resync"] is False
        assert answer[str(public_room)]["error"]["code"] == "not_a_member"
        assert answer[str(missing)]["error"]["code"] == "not_found"
        assert answer[str(rooms[1])]["resync"] is True
        assert [event["seq"] for event in follower.events_until(2)] == [1, 2]


def test_it_limits_the_replay_of_all_rooms_together(server: Server, rooms: list[UUID], bob: Person) -> None:
    with Client(server, bob) as follower:
        answer = follower.act("sync", rooms={str(room): 0 for room in rooms}, max_replay=5)["data"]["rooms"]
        assert [answer[str(room)]["resync"] for room in rooms].count(False) == 2


def test_it_resyncs_all_rooms_if_the_epoch_differs(server: Server, rooms: list[UUID], bob: Person) -> None:
    with Client(server, bob) as follower:
        positions = {str(room): 1 for room in rooms}
        answer = follower.act("sync", rooms=positions, epoch=str(uuid.uuid4()))["data"]["rooms"]
        assert {room["resync"] for room in answer.values()} == {True}
        assert follower.is_quiet()


def test_it_refuses_too_many_rooms(server: Server, bob: Person) -> None:
    with Client(server, bob) as follower:
        error = follower.act("sync", rooms={str(uuid.uuid4()): 0 for _ in range(1_001)})["errors"][0]
        assert (error["code"], error["field"]) == ("invalid", "rooms")
