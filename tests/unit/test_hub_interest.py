"""The callbacks of the hub: the first and last follower of a room, the first and last socket of a user."""

from uuid import UUID

from rooms.notices import SessionsChanged
from tests.unit.examples import ALICE, BOB, ROOM
from tests.unit.in_memory import FakeSocket, InMemoryChat


class Recorder:
    """An `Interest` that records its calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, UUID]] = []

    def room_followed(self, room_id: UUID) -> None:
        self.calls.append(("followed", room_id))

    def room_unfollowed(self, room_id: UUID) -> None:
        self.calls.append(("unfollowed", room_id))

    def user_connected(self, user_id: UUID) -> None:
        self.calls.append(("connected", user_id))

    def user_disconnected(self, user_id: UUID) -> None:
        self.calls.append(("disconnected", user_id))

    def sessions_changed(self, user_id: UUID) -> None:
        self.calls.append(("changed", user_id))

    def changes_missed(self, user_id: UUID) -> None:
        self.calls.append(("missed", user_id))


async def test_it_reports_the_first_and_the_last_follower_of_a_room() -> None:
    recorder = Recorder()
    chat = InMemoryChat(interest=recorder)
    alice, bob = FakeSocket(ALICE.id), FakeSocket(BOB.id)

    chat.follow(alice)
    chat.follow(bob)
    chat.follow(alice, after=0)
    assert (recorder.calls, list(chat.hub.known_heads())) == ([("followed", ROOM)], [ROOM])
    chat.hub.unfollow(alice, ROOM)
    chat.hub.unfollow(bob, ROOM)

    assert (recorder.calls, list(chat.hub.known_heads())) == ([("followed", ROOM), ("unfollowed", ROOM)], [])


async def test_it_does_not_report_a_room_whose_only_follower_joins_again() -> None:
    recorder = Recorder()
    chat = InMemoryChat(interest=recorder)
    alice = FakeSocket()

    chat.follow(alice)
    chat.follow(alice)

    assert recorder.calls == [("followed", ROOM)]


async def test_it_reports_a_room_whose_last_follower_was_removed() -> None:
    recorder = Recorder()
    chat = InMemoryChat(interest=recorder)
    chat.follow(FakeSocket(BOB.id))

    chat.post(evicts=BOB.id)

    assert recorder.calls == [("followed", ROOM), ("unfollowed", ROOM)]


async def test_it_reports_the_first_and_the_last_socket_of_a_user() -> None:
    recorder = Recorder()
    hub = InMemoryChat(interest=recorder).hub
    phone, laptop = FakeSocket(ALICE.id), FakeSocket(ALICE.id)

    hub.register(phone)
    hub.register(laptop)
    assert set(hub.sinks()) == set(hub.sinks_of(ALICE.id)) == {phone, laptop}
    assert hub.sinks_of(BOB.id) == []
    hub.unregister(phone)
    assert recorder.calls == [("connected", ALICE.id)]
    hub.unregister(laptop)

    assert recorder.calls == [("connected", ALICE.id), ("disconnected", ALICE.id)]
    assert hub.sinks() == []


async def test_it_reports_changed_sessions_of_connected_users_only() -> None:
    recorder = Recorder()
    hub = InMemoryChat(interest=recorder).hub
    hub.register(FakeSocket(ALICE.id))

    hub.publish([SessionsChanged(user_id=ALICE.id), SessionsChanged(user_id=BOB.id)])

    assert recorder.calls == [("connected", ALICE.id), ("changed", ALICE.id)]
