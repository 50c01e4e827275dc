"""What concerns a user, at the user's sockets: each change, in order of version, whatever becomes of the notices."""

from itertools import permutations
from uuid import UUID

import pytest

from messaging.fanout.hub import Hub, NoInterest
from messaging.fanout.user_delivery import UserChanges
from rooms.notices import UserHint, UserNotice
from tests.unit.examples import ALICE, BOB
from tests.unit.in_memory import FakeSocket, InMemoryChat


def notice(version: int, user_id: UUID = ALICE.id) -> UserNotice:
    """Returns a notice whose payload is its version."""
    return UserNotice(user_id=user_id, version=version, payload=str(version).encode())


def changes(after: int, *versions: int, through: int | None = None, has_more: bool = False) -> UserChanges:
    """Returns the changes of Alice with these versions."""
    through = max(versions, default=after) if through is None else through
    return UserChanges(ALICE.id, after, through, [notice(version) for version in versions], has_more)


class Missed(NoInterest):
    """Records the users whose changes have to be read."""

    def __init__(self) -> None:
        self.users: list[UUID] = []

    def changes_missed(self, user_id: UUID) -> None:
        self.users.append(user_id)

    def take(self) -> list[UUID]:
        users, self.users = self.users, []
        return users


@pytest.fixture
def missed() -> Missed:
    return Missed()


@pytest.fixture
async def hub(missed: Missed) -> Hub:
    return InMemoryChat(interest=missed).hub


def connect(hub: Hub, version: int = 0, *, user_id: UUID = ALICE.id, capacity: int = 2**40) -> FakeSocket:
    socket = FakeSocket(user_id, capacity=capacity)
    hub.register(socket, version=version)
    return socket


async def test_it_works(hub: Hub, missed: Missed) -> None:
    phone, laptop, bob = connect(hub), connect(hub), connect(hub, user_id=BOB.id)

    hub.publish([notice(1), notice(2), notice(1, BOB.id)])

    assert (phone.seqs, laptop.seqs, bob.seqs) == ([1, 2], [1, 2], [1])
    assert hub.user_versions() == {ALICE.id: 2, BOB.id: 1}
    assert missed.users == []


async def test_it_drops_what_is_known_and_what_concerns_nobody_here(hub: Hub, missed: Missed) -> None:
    alice = connect(hub, 3)

    hub.publish([notice(3), notice(4), notice(4), notice(1), notice(1, BOB.id), UserHint(BOB.id, 9)])
    hub.publish([UserHint(ALICE.id, 4)])
    assert hub.catch_up(UserChanges(BOB.id, 0, 1, [notice(1, BOB.id)])) == 0

    assert alice.seqs == [4]
    assert (missed.users, hub.user_versions()) == ([], {ALICE.id: 4})


async def test_it_reads_what_is_missing_before_it_goes_on(hub: Hub, missed: Missed) -> None:
    alice = connect(hub)

    hub.publish([notice(1), notice(3)])
    assert (alice.seqs, missed.take(), hub.user_versions()) == ([1], [ALICE.id], {ALICE.id: 1})
    assert hub.catch_up(changes(1, 2, 3)) == 2
    hub.publish([notice(4)])

    assert (alice.seqs, missed.users) == ([1, 2, 3, 4], [])


async def test_a_hint_has_the_changes_read(hub: Hub, missed: Missed) -> None:
    connect(hub, 1)

    hub.publish([UserHint(ALICE.id, 2)])

    assert missed.users == [ALICE.id]


async def test_it_goes_on_after_changes_of_which_nothing_is_left_to_say(hub: Hub, missed: Missed) -> None:
    """Changes 1 and 2 were of a membership that has ended, and 3 was replaced by 5."""
    alice = connect(hub)

    assert hub.catch_up(changes(0, 4, 5, through=6)) == 2
    hub.publish([notice(5), notice(7)])

    assert (alice.seqs, missed.users) == ([4, 5, 7], [])


async def test_it_writes_changes_once_though_they_are_read_twice_and_published(hub: Hub) -> None:
    arrivals: list[UserChanges | UserNotice] = [
        changes(0, 1, 2),
        changes(0, 1, 2, 3),
        changes(1, 2, 3, 4),
        notice(1),
        notice(2),
        notice(4),
    ]
    for order in permutations(arrivals):
        alice = connect(hub)
        for arrival in order:
            if isinstance(arrival, UserChanges):
                hub.catch_up(arrival)
            else:
                hub.publish([arrival])
        hub.catch_up(changes(0, 1, 2, 3, 4))
        assert alice.seqs == [1, 2, 3, 4], order
        hub.unregister(alice)


async def test_it_ignores_changes_that_were_read_for_an_earlier_connection(hub: Hub) -> None:
    """They begin after what the present one has: there may be others in between."""
    alice = connect(hub, 2)

    assert hub.catch_up(changes(4, 5)) == 0

    assert (alice.seqs, hub.user_versions()) == ([], {ALICE.id: 2})


async def test_it_forgets_a_user_without_sockets(hub: Hub, missed: Missed) -> None:
    phone, laptop = connect(hub, 3), connect(hub, 3)

    hub.unregister(phone)
    assert hub.user_versions() == {ALICE.id: 3}
    hub.unregister(laptop)
    hub.unregister(laptop)
    assert hub.user_versions() == {}
    connect(hub, 5)

    assert (hub.user_versions(), missed.users) == ({ALICE.id: 5}, [])


# -- a socket that connects to others -----------------------------------------------------------------------------


async def test_a_socket_that_was_admitted_before_a_change_and_registered_after_it_receives_what_follows(
    hub: Hub, missed: Missed
) -> None:
    phone = connect(hub, 1)
    hub.publish([notice(2)])

    laptop = connect(hub, 1)
    hub.publish([notice(3)])

    assert (phone.seqs, laptop.seqs, missed.users) == ([2, 3], [3], [])
    assert hub.user_versions() == {ALICE.id: 3}


async def test_a_socket_that_was_admitted_after_a_change_shows_that_the_others_lack_it(
    hub: Hub, missed: Missed
) -> None:
    phone = connect(hub, 1)

    connect(hub, 2)
    assert missed.users == [ALICE.id]
    hub.catch_up(changes(1, 2))

    assert phone.seqs == [2]


# -- a socket that does not read ----------------------------------------------------------------------------------


async def test_it_writes_to_a_socket_that_reads_again_what_it_has_missed(hub: Hub, missed: Missed) -> None:
    slow, fast = connect(hub), connect(hub)
    hub.publish([notice(1)])
    slow.congested = True

    hub.publish([notice(2), notice(3)])
    assert (slow.seqs, fast.seqs, missed.users, hub.user_versions()) == ([1], [1, 2, 3], [], {ALICE.id: 3})
    slow.drain(hub)
    assert (missed.take(), hub.user_versions()) == ([ALICE.id], {ALICE.id: 1})
    hub.catch_up(changes(1, 2, 3))
    hub.publish([notice(4)])

    assert slow.seqs == fast.seqs == [1, 2, 3, 4]
    assert missed.users == []


async def test_a_socket_that_missed_nothing_has_nothing_read(hub: Hub, missed: Missed) -> None:
    slow = connect(hub)
    slow.congested = True

    slow.drain(hub)

    assert missed.users == []


async def test_it_writes_no_more_than_a_socket_takes(hub: Hub, missed: Missed) -> None:
    slow, fast = connect(hub, capacity=2), connect(hub)

    hub.catch_up(changes(0, 1, 2, 3, 4, 5))
    assert (slow.seqs, fast.seqs) == ([1, 2], [1, 2, 3, 4, 5])
    for after in (2, 4):
        slow.drain(hub)
        assert (missed.take(), hub.user_versions()) == ([ALICE.id], {ALICE.id: after})
        hub.catch_up(changes(after, *range(after + 1, 6)))

    assert slow.seqs == [1, 2, 3, 4, 5]


async def test_it_keeps_waiting_for_a_socket_that_is_congested_when_the_changes_have_been_read(
    hub: Hub, missed: Missed
) -> None:
    slow = connect(hub)
    slow.congested = True
    hub.publish([notice(1)])
    slow.drain(hub)
    slow.congested = True

    hub.catch_up(changes(0, 1))
    assert (slow.seqs, missed.take(), hub.user_versions()) == ([], [ALICE.id], {ALICE.id: 1})
    slow.drain(hub)
    hub.catch_up(changes(0, 1))

    assert slow.seqs == [1]


async def test_it_reads_again_if_changes_came_while_it_was_reading(hub: Hub, missed: Missed) -> None:
    slow = connect(hub)
    slow.congested = True
    hub.publish([notice(1)])
    slow.drain(hub)
    hub.publish([notice(2)])
    missed.take()

    hub.catch_up(changes(0, 1))
    assert (slow.seqs, missed.take(), hub.user_versions()) == ([1], [ALICE.id], {ALICE.id: 1})
    hub.catch_up(changes(1, 2))

    assert (slow.seqs, missed.users) == ([1, 2], [])


async def test_it_does_not_ask_for_the_next_page_of_changes_itself(hub: Hub, missed: Missed) -> None:
    slow = connect(hub)
    slow.congested = True
    hub.publish([notice(1), notice(2)])
    slow.drain(hub)
    missed.take()

    hub.catch_up(changes(0, 1, has_more=True))

    assert (slow.seqs, missed.users, hub.user_versions()) == ([1], [], {ALICE.id: 1})


async def test_it_forgets_a_socket_that_closes_while_it_is_behind(hub: Hub, missed: Missed) -> None:
    slow, fast = connect(hub), connect(hub)
    slow.congested = True
    hub.publish([notice(1)])

    hub.unregister(slow)
    slow.drain(hub)
    hub.catch_up(changes(0, 1))

    assert (slow.seqs, fast.seqs, missed.users) == ([], [1], [])
    assert hub.user_versions() == {ALICE.id: 1}
