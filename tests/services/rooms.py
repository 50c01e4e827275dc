"""What tests do in rooms, and how they read the effects: the log, the memberships and the notices."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import msgspec
from django.db import connection

from foundation.errors import DomainError
from messaging.services.send import send_message
from messaging.wire.actions import Send
from messaging.wire.shapes import Sent
from rooms import services
from rooms.models import Entry, Head, Membership
from rooms.notices import Notice, RoomHint, RoomNotice, UserNotice
from rooms.permissions import Role
from rooms.schema import NewMember, NewRoom, Room, RoomPatch
from tests.people import Person

T = TypeVar("T")


class RoomEvent(NamedTuple):
    """A broadcast event of a room, decoded."""

    seq: int
    event: str
    actor: UUID
    data: Any
    evicts: UUID | None


class Ear:
    """A listener that records the notices it receives."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []

    def __call__(self, notices: Sequence[Notice]) -> None:
        self.notices += notices

    def heard(self, room_id: UUID) -> list[RoomEvent]:
        """Returns the events of the room, in the order of their broadcast."""
        return [
            RoomEvent(notice.seq, event["event"], UUID(event["actor"]), event["data"], notice.evicts)
            for notice in self.notices
            if isinstance(notice, RoomNotice) and notice.room_id == room_id
            for event in [msgspec.json.decode(notice.payload)]
        ]

    def changes(self, room_id: UUID) -> list[tuple[int, str]]:
        """Returns seq and name of each event of the room."""
        return [(event.seq, event.event) for event in self.heard(room_id)]

    def hints(self, room_id: UUID) -> list[int]:
        """Returns the seq of each hint for the room."""
        return [notice.seq for notice in self.notices if isinstance(notice, RoomHint) and notice.room_id == room_id]

    def user_events(self, person: Person) -> list[Any]:
        """Returns the events for the sockets of `person`."""
        return [
            msgspec.json.decode(notice.payload)
            for notice in self.notices
            if isinstance(notice, UserNotice) and notice.user_id == person.id
        ]


def log_of(room_id: UUID) -> list[str]:
    """Returns the kinds of the room's entries, in order. Asserts that their seqs are dense up to the head."""
    entries = list(Entry.objects.filter(room_id=room_id).order_by("seq").values_list("seq", "kind"))
    assert [seq for seq, _ in entries] == list(range(1, len(entries) + 1))
    assert Head.objects.get(room_id=room_id).seq == len(entries)
    return [kind for _, kind in entries]


def membership_of(person: Person, room_id: UUID) -> Membership:
    return Membership.objects.get(room_id=room_id, user_id=person.id)


def make_room(owner: Person, *members: Person, name: str = "Room") -> UUID:
    new = NewRoom(name=name, kind="private", members=[member.id for member in members])
    return services.create_room(user_id=owner.id, new=new).room.id


def make_public_room(owner: Person, name: str = "Room") -> UUID:
    return services.create_room(user_id=owner.id, new=NewRoom(name=name, kind="public")).room.id


def add(owner: Person, room_id: UUID, member: Person, role: Any = "member") -> None:
    services.add_member(user_id=owner.id, room_id=room_id, new=NewMember(user=member.id, role=role))


def say(person: Person, room_id: UUID, *texts: str) -> list[int]:
    """Sends each of `texts`. Returns the ids of the messages."""
    verdicts = [send_message(Send(room=room_id, text=text), sender=person.principal) for text in texts]
    assert all(isinstance(verdict, Sent) for verdict in verdicts), verdicts
    return [verdict.id for verdict in verdicts if isinstance(verdict, Sent)]


def archive(owner: Person, room_id: UUID) -> Room:
    return services.update_room(user_id=owner.id, room_id=room_id, patch=RoomPatch(archived=True))


def set_role(person: Person, room_id: UUID, role: Role) -> None:
    """Sets the role in the database, without an entry in the log."""
    assert Membership.objects.filter(room_id=room_id, user_id=person.id).update(role=role)


def together(*calls: Callable[[], T]) -> list[T | DomainError]:
    """Makes all calls at the same moment, each on its own thread and connection. A refusal is a result too."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], T]) -> T | DomainError:
        start.wait()
        try:
            return call()
        except DomainError as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))
