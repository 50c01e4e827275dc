"""The selectors `list_messages` and `get_message`."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries

from foundation.errors import DomainError, NotFound
from messaging.selectors.messages import get_message, list_messages
from messaging.services.send import send_message
from messaging.wire.actions import History, Send
from messaging.wire.shapes import MessagePage, Sent
from rooms.errors import NotAMember
from rooms.services import remove_member
from tests.people import Person
from tests.services.rooms import Ear, archive, say

pytestmark = pytest.mark.django_db


@pytest.fixture
def messages(alice: Person, room: UUID) -> list[int]:
    """The ids of seven messages, 1 to 7."""
    return say(alice, room, *map(str, range(1, 8)))


def page(person: Person, room: UUID, **history: Any) -> MessagePage:
    return list_messages(user_id=person.id, history=History(room=room, **history))


def summary(page: MessagePage) -> tuple[list[int], bool, bool]:
    return [message.id for message in page.messages], page.has_before, page.has_after


def test_it_works(alice: Person, bob: Person, room: UUID) -> None:
    send = Send(room=room, text="hi", client_id="c-1", data={"n": 1})
    sent = send_message(send, sender=alice.principal)
    say(bob, room, "yes")

    first, second = page(bob, room).messages

    assert isinstance(sent, Sent)
    assert (first.room, first.id, first.seq, first.created_at) == (room, sent.id, sent.seq, sent.created_at)
    assert (first.text, first.client_id, first.reply_to, first.data) == ("hi", "c-1", None, {"n": 1})
    assert (first.sender.id, first.sender.username, first.sender.display_name) == (alice.id, "alice", "alice")
    assert (first.edited_at, first.deleted_at, first.pinned, first.reactions) == (None, None, False, [])
    assert (second.id, second.seq, second.client_id) == (2, 4, None)


@pytest.mark.parametrize(
    ("history", "ids", "has_before", "has_after"),
    [
        ({}, [1, 2, 3, 4, 5, 6, 7], False, False),
        ({"limit": 7}, [1, 2, 3, 4, 5, 6, 7], False, False),
        ({"limit": 3}, [5, 6, 7], True, False),
        ({"before": 5, "limit": 3}, [2, 3, 4], True, True),
        ({"before": 4, "limit": 3}, [1, 2, 3], False, True),
        ({"before": 3, "limit": 3}, [1, 2], False, True),
        ({"before": 1, "limit": 3}, [], False, True),
        ({"before": 8, "limit": 3}, [5, 6, 7], True, False),
        ({"before": 100, "limit": 3}, [5, 6, 7], True, False),
        ({"after": 0, "limit": 3}, [1, 2, 3], False, True),
        ({"after": 3, "limit": 3}, [4, 5, 6], True, True),
        ({"after": 4, "limit": 3}, [5, 6, 7], True, False),
        ({"after": 6, "limit": 3}, [7], True, False),
        ({"after": 7, "limit": 3}, [], True, False),
        ({"after": 100, "limit": 3}, [], True, False),
        ({"around": 4, "limit": 3}, [3, 4, 5], True, True),
        ({"around": 4, "limit": 4}, [3, 4, 5, 6], True, True),
        ({"around": 4, "limit": 1}, [4], True, True),
        ({"around": 1, "limit": 3}, [1, 2], False, True),
        ({"around": 7, "limit": 3}, [6, 7], True, False),
        ({"around": 4, "limit": 7}, [1, 2, 3, 4, 5, 6, 7], False, False),
        ({"around": 100, "limit": 2}, [7], True, False),
    ],
)
def test_it_pages(
    bob: Person,
    room: UUID,
    messages: list[int],
    history: dict[str, int],
    ids: list[int],
    has_before: bool,
    has_after: bool,
) -> None:
    assert summary(page(bob, room, **history)) == (ids, has_before, has_after)


@pytest.mark.parametrize(
    "history",
    [{}, {"before": 1}, {"before": 9}, {"after": 0}, {"after": 9}, {"around": 1}],
)
def test_it_returns_an_empty_page_for_an_empty_room(bob: Person, room: UUID, history: dict[str, int]) -> None:
    assert summary(page(bob, room, **history)) == ([], False, False)


@pytest.mark.parametrize("history", [{}, {"before": 5}, {"after": 2}, {"around": 4}])
def test_it_takes_at_most_three_queries(
    bob: Person,
    room: UUID,
    messages: list[int],
    history: dict[str, int],
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    with django_assert_max_num_queries(3):
        page(bob, room, **history)


@pytest.mark.parametrize("number", [0, -1, 1.5, 1.0, 2**53 - 1, 1e-7, 1e20, -1e300])
def test_it_returns_the_numbers_in_data_unchanged(alice: Person, room: UUID, number: float, ear: Ear) -> None:
    send_message(Send(room=room, text="", data={"n": number}), sender=alice.principal)

    encoded = msgspec.json.encode(page(alice, room))

    assert msgspec.json.decode(encoded)["messages"][0]["data"] == ear.heard(room)[0].data["data"] == {"n": number}


def test_it_leaves_out_messages_of_other_rooms(
    alice: Person, room: UUID, public_room: UUID, messages: list[int]
) -> None:
    say(alice, public_room, "elsewhere")

    assert [message.text for message in page(alice, public_room).messages] == ["elsewhere"]


def test_it_lists_the_messages_of_an_archived_room(alice: Person, bob: Person, room: UUID, messages: list[int]) -> None:
    archive(alice, room)

    assert len(page(bob, room).messages) == 7


def test_it_refuses_a_non_member(charlie: Person, room: UUID, public_room: UUID) -> None:
    cases: list[tuple[UUID, type[DomainError]]] = [(room, NotFound), (public_room, NotAMember), (uuid4(), NotFound)]
    for room_id, refusal in cases:
        with pytest.raises(refusal):
            page(charlie, room_id)
        with pytest.raises(refusal):
            get_message(user_id=charlie.id, room_id=room_id, message_id=1)


def test_it_gets_one_message(bob: Person, room: UUID, messages: list[int]) -> None:
    message = get_message(user_id=bob.id, room_id=room, message_id=3)

    assert (message.id, message.seq, message.text) == (3, 5, "3")


@pytest.mark.parametrize("message_id", [0, 8, 2**53, 2**63, 10**30])
def test_it_raises_not_found_for_a_missing_message(
    bob: Person, room: UUID, messages: list[int], message_id: int
) -> None:
    with pytest.raises(NotFound):
        get_message(user_id=bob.id, room_id=room, message_id=message_id)


@pytest.mark.django_db(transaction=True)
def test_it_ends_at_the_head_that_was_read_with_the_membership(alice: Person, bob: Person, room: UUID) -> None:
    """A member who is removed between the two queries gets no later message."""
    say(alice, room, "for both")
    done: list[str] = []

    def meanwhile() -> None:
        remove_member(user_id=alice.id, room_id=room, member_id=bob.id)
        say(alice, room, "for her")
        connection.close()

    def after_the_first_query(execute: Any, sql: str, *rest: Any) -> Any:
        found = execute(sql, *rest)
        if not done:
            done.append(sql)
            with ThreadPoolExecutor(1) as pool:
                pool.submit(meanwhile).result()
        return found

    with connection.execute_wrapper(after_the_first_query):
        found = page(bob, room)

    assert "rooms_membership" in done[0]
    assert [message.text for message in found.messages] == ["for both"]
    with pytest.raises(NotFound):
        page(bob, room)
