"""What the hub calls back: the first and the last follower of a room, the first and the last socket of a user."""

from uuid import UUID

from rooms.events import SessionsChanged
from tests.unit.examples import ALICE, BOB, ROOM
from tests.unit.rooms import House, Socket


class Diary:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, UUID]] = []

    def room_followed(self, room_id: UUID) -> None:
        self.entries.append(("followed", room_id))

    def room_unfollowed(self, room_id: UUID) -> None:
        self.entries.append(("unfollowed", room_id))

    def user_connected(self, user_id: UUID) -> None:
        self.entries.append(("connected", user_id))

    def user_disconnected(self, user_id: UUID) -> None:
        self.entries.append(("disconnected", user_id))

    def sessions_changed(self, user_id: UUID) -> None:
        self.entries.append(("changed", user_id))


async def test_it_tells_of_the_first_and_the_last_follower_of_a_room() -> None:
    diary = Diary()
    house = House(interest=diary)
    alice, bob = Socket(ALICE.id), Socket(BOB.id)

    house.follow(alice)
    house.follow(bob)
    house.follow(alice, after=0)
    assert (diary.entries, list(house.hub.known_heads())) == ([("followed", ROOM)], [ROOM])
    house.hub.unfollow(alice, ROOM)
    house.hub.unfollow(bob, ROOM)

    assert (diary.entries, list(house.hub.known_heads())) == ([("followed", ROOM), ("unfollowed", ROOM)], [])


async def test_it_does_not_leave_a_room_whose_only_follower_joins_again() -> None:
    diary = Diary()
    house = House(interest=diary)
    alice = Socket()

    house.follow(alice)
    house.follow(alice)

    assert diary.entries == [("followed", ROOM)]


async def test_it_leaves_a_room_whose_last_follower_was_removed() -> None:
    diary = Diary()
    house = House(interest=diary)
    house.follow(Socket(BOB.id))

    house.happen(evicts=BOB.id)

    assert diary.entries == [("followed", ROOM), ("unfollowed", ROOM)]


async def test_it_tells_of_the_first_and_the_last_socket_of_a_user() -> None:
    diary = Diary()
    hub = House(interest=diary).hub
    phone, laptop = Socket(ALICE.id), Socket(ALICE.id)

    hub.register(phone)
    hub.register(laptop)
    assert set(hub.sinks()) == set(hub.sinks_of(ALICE.id)) == {phone, laptop}
    assert hub.sinks_of(BOB.id) == []
    hub.unregister(phone)
    assert diary.entries == [("connected", ALICE.id)]
    hub.unregister(laptop)

    assert diary.entries == [("connected", ALICE.id), ("disconnected", ALICE.id)]
    assert hub.sinks() == []


async def test_it_passes_on_that_sessions_of_a_user_who_is_here_have_changed() -> None:
    diary = Diary()
    hub = House(interest=diary).hub
    hub.register(Socket(ALICE.id))

    hub.publish([SessionsChanged(user_id=ALICE.id), SessionsChanged(user_id=BOB.id)])

    assert diary.entries == [("connected", ALICE.id), ("changed", ALICE.id)]
