"""The selectors `read_page`, which reads a room's log and renders it as notices, and `list_log`."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from pytest_django import DjangoAssertNumQueries

from accounts import services as accounts
from accounts.schema import UserPatch
from foundation.errors import DomainError, NotFound
from messaging.selectors.log import list_log, read_page
from rooms import services
from rooms.errors import NotAMember
from rooms.models import Entry, Head
from rooms.notices import RoomNotice
from rooms.schema import MemberPatch, RoomPatch
from tests.people import Person, make_person
from tests.services.rooms import Ear, add, archive, say

pytestmark = pytest.mark.django_db

Change = Callable[[Person, Person, UUID], object]

CHANGES: dict[str, Change] = {
    "message.created": lambda alice, bob, room: say(bob, room, "hi"),
    "member.joined": lambda alice, bob, room: add(alice, room, make_person("dora"), role="admin"),
    "member.left": lambda alice, bob, room: services.leave_room(user_id=bob.id, room_id=room),
    "member.removed": lambda alice, bob, room: services.remove_member(user_id=alice.id, room_id=room, member_id=bob.id),
    "member.updated": lambda alice, bob, room: services.update_member(
        user_id=alice.id, room_id=room, member_id=bob.id, patch=MemberPatch(muted_until="2999-01-01T00:00:00Z")
    ),
    "room.updated": lambda alice, bob, room: archive(alice, room),
}


def notices_of(room: UUID, *, after: int = 0, limit: int = 200) -> list[RoomNotice]:
    return list(read_page(room_id=room, after=after, limit=limit).notices)


def events_of(room: UUID, *, after: int = 0, limit: int = 200) -> list[Any]:
    return [msgspec.json.decode(notice.payload) for notice in notices_of(room, after=after, limit=limit)]


@pytest.mark.parametrize("kind", CHANGES)
def test_it_works(alice: Person, bob: Person, room: UUID, kind: str, ear: Ear) -> None:
    """The notice that is read equals, byte for byte, the notice that was broadcast."""
    CHANGES[kind](alice, bob, room)

    (notice,) = notices_of(room, after=2)

    assert notice == next(notice for notice in ear.notices if isinstance(notice, RoomNotice))
    event = msgspec.json.decode(notice.payload)
    assert list(event) == ["event", "room", "seq", "at", "actor", "data"]
    assert (event["event"], event["room"], event["seq"]) == (kind, str(room), 3)
    assert notice.evicts == (bob.id if kind in {"member.left", "member.removed"} else None)


def test_it_pages(alice: Person, room: UUID) -> None:
    say(alice, room, "one", "two")

    assert [notice.seq for notice in notices_of(room)] == [1, 2, 3, 4]
    assert [notice.seq for notice in notices_of(room, after=1, limit=2)] == [2, 3]
    assert notices_of(room, after=4) == []
    assert notices_of(uuid4()) == []


def test_it_returns_the_floor(room: UUID) -> None:
    assert read_page(room_id=room, after=0, limit=10).floor == 1

    Head.objects.filter(room_id=room).update(floor=2)

    assert read_page(room_id=room, after=0, limit=10).floor == 2


def test_it_renders_rooms_and_users_as_they_are_now(alice: Person, bob: Person, room: UUID) -> None:
    say(bob, room, "hi")
    services.update_room(user_id=alice.id, room_id=room, patch=RoomPatch(name="Coffee"))
    services.update_room(user_id=alice.id, room_id=room, patch=RoomPatch(name="Water"))
    services.leave_room(user_id=bob.id, room_id=room)
    accounts.update_user(user_id=bob.id, patch=UserPatch(display_name="Robert"))

    joined, message, *renamed, left = events_of(room, after=1)

    assert [event["data"]["name"] for event in renamed] == ["Water", "Water"]
    assert message["data"]["sender"]["display_name"] == "Robert"
    assert joined["data"]["member"]["user"]["display_name"] == "Robert"
    assert (joined["data"]["by"]["username"], left["data"]["by"]["display_name"]) == ("alice", "Robert")


@pytest.mark.parametrize("rounds", [1, 10])
def test_it_takes_six_queries_for_any_number_of_entries(
    alice: Person, bob: Person, room: UUID, rounds: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(rounds):
        say(bob, room, "hi")
        add(alice, room, make_person(f"member{number}"))
        services.update_room(user_id=alice.id, room_id=room, patch=RoomPatch(name=str(number)))

    with django_assert_num_queries(6):
        assert len(notices_of(room)) == 2 + 3 * rounds


# -- list_log -----------------------------------------------------------------------------------------------------


def test_it_lists_the_log_for_a_member(alice: Person, bob: Person, room: UUID) -> None:
    say(alice, room, "one", "two")

    page = list_log(user_id=bob.id, room_id=room, after=1, limit=2)
    rest = list_log(user_id=bob.id, room_id=room, after=3, limit=2)

    assert [bytes(raw) for raw in page.results] == [notice.payload for notice in notices_of(room, after=1, limit=2)]
    assert (page.has_before, page.has_after) == (True, True)
    assert (len(rest.results), rest.has_before, rest.has_after) == (1, True, False)


def test_it_lists_a_gap_for_entries_that_retention_deleted(alice: Person, bob: Person, room: UUID) -> None:
    say(alice, room, "one", "two")
    Entry.objects.filter(room_id=room, seq__lt=4).delete()
    Head.objects.filter(room_id=room).update(floor=4)

    events = [msgspec.json.decode(raw) for raw in list_log(user_id=bob.id, room_id=room, after=1, limit=10).results]

    assert events[0] == {"event": "gap", "room": str(room), "from": 2, "to": 3, "reason": "retention"}
    assert [event["seq"] for event in events[1:]] == [4]


def test_it_refuses_to_list_the_log_for_a_non_member(charlie: Person, room: UUID, public_room: UUID) -> None:
    cases: list[tuple[UUID, type[DomainError]]] = [(room, NotFound), (public_room, NotAMember), (uuid4(), NotFound)]
    for room_id, refusal in cases:
        with pytest.raises(refusal):
            list_log(user_id=charlie.id, room_id=room_id, after=0, limit=10)
