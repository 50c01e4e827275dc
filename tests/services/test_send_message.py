"""The service `send_message`: a batch of one."""

from uuid import UUID

import pytest

from messaging.services.send import send_message
from messaging.wire.actions import Send
from messaging.wire.shapes import Sent
from rooms import broadcast
from rooms.errors import NotAMember
from tests.people import Person
from tests.services.appends import texts
from tests.services.rooms import Ear

pytestmark = pytest.mark.django_db


def test_it_works(alice: Person, room: UUID, ear: Ear) -> None:
    sent = send_message(Send(room=room, text="hi"), sender=alice.principal)

    assert isinstance(sent, Sent)
    assert (sent.room, sent.id, sent.seq) == (room, 1, 3)
    assert ear.changes(room) == [(3, "message.created")]


def test_it_answers_a_retry_with_the_original_result(alice: Person, room: UUID) -> None:
    send = Send(room=room, text="hi", client_id="c-1")

    assert send_message(send, sender=alice.principal) == send_message(send, sender=alice.principal)
    assert texts(room) == ["hi"]


def test_it_treats_a_message_without_a_client_id_as_new(alice: Person, room: UUID) -> None:
    for _ in range(2):
        send_message(Send(room=room, text="hi"), sender=alice.principal)

    assert texts(room) == ["hi", "hi"]


def test_it_raises_the_refusal(charlie: Person, public_room: UUID, ear: Ear) -> None:
    with pytest.raises(NotAMember):
        send_message(Send(room=public_room, text="hi"), sender=charlie.principal)

    assert ear.notices == []


def test_it_succeeds_even_if_a_listener_fails(alice: Person, room: UUID, ear: Ear) -> None:
    def fail(notices: object) -> None:
        raise RuntimeError("the listener failed")

    broadcast.remove_listener(ear)
    for listener in (fail, ear):
        broadcast.add_listener(listener)
    try:
        assert isinstance(send_message(Send(room=room, text="hi"), sender=alice.principal), Sent)
    finally:
        broadcast.remove_listener(fail)

    assert ear.changes(room) == [(3, "message.created")]
