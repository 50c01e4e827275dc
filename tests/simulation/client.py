"""A client that follows the rules of the protocol, and checks that every frame it receives follows them too."""

from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from uuid import UUID

from accounts.schema import User
from messaging.wire.closes import DRAINING, SLOW_READER
from messaging.wire.limits import Limits
from tests.simulation.answers import Frame, SendAnswer, changes, frames, joins, messages, reads, sends, syncs
from tests.simulation.connection import ABNORMAL_CLOSURE, Connection
from tests.simulation.model_store import EVICTIONS, ModelStore
from tests.simulation.worker import Worker
from tests.unit.examples import AT

CAUGHT_UP_S = 1.5 * Limits().sweep_interval_s  # docs/deploy.md: how long delivery takes if the layer fails


@dataclass
class Stream:
    """A room that the connection follows: the last seq received, and the seq at which the membership began."""

    last: int
    since: int


@dataclass
class Request:
    action: str
    rooms: dict[UUID, int | None]  # each with its `after`
    number: int
    client_id: str = ""
    is_first: bool = False  # whether no earlier request used its client_id


@dataclass(frozen=True)
class Unanswered:
    """A send whose outcome is unknown: its room, and the head and the membership when it was first sent."""

    room: UUID
    head: int
    was_member: bool


@dataclass(frozen=True)
class Received:
    """The last event of a kind about a room: when it was received, and the read cursor that it gave, if any."""

    at: float
    read_id: int = 0


@dataclass(eq=False)
class Client:
    """One device of a user.

    It appends to `faults` and does not raise, because its methods are called by the server, which catches errors.
    """

    name: str
    user: User
    store: ModelStore
    faults: list[str]
    is_direct: bool
    is_reading: bool = True
    stopped_at: float = 0.0  # when it last stopped reading
    reading_since: float = 0.0
    greeted_at: int | None = None  # the user's version when `hello` was received on this connection
    received: dict[tuple[str, UUID], Received] = field(default_factory=dict)  # by kind and room, on this connection
    connection: Connection | None = None
    worker: Worker | None = None  # the one that it last connected to
    streams: dict[UUID, Stream] = field(default_factory=dict)
    followed: dict[UUID, int] = field(default_factory=dict)  # the last seq of each room, kept across connections
    requests: dict[int, Request] = field(default_factory=dict)
    unanswered: dict[str, Unanswered] = field(default_factory=dict)  # by client_id
    accepted: dict[str, tuple[UUID, int]] = field(default_factory=dict)  # room and seq, by client_id
    used_client_ids: set[str] = field(default_factory=set)
    last_acks: dict[UUID, tuple[int, int]] = field(default_factory=dict)  # number of the request and seq, by room
    numbers: "count[int]" = field(default_factory=lambda: count(1))
    frames_received: int = 0
    removals_received: int = 0
    changes_received: int = 0  # that concern the user

    @property
    def served_by(self) -> Worker:
        assert self.worker is not None
        return self.worker

    # -- actions ------------------------------------------------------------------------------------------------------

    def connect(self, worker: Worker) -> None:
        self.worker, self.is_reading, self.reading_since = worker, True, worker.loop.time()
        self.connection = Connection(worker, self, self.user, is_direct=self.is_direct)

    def drop(self) -> None:
        assert self.connection is not None
        self.connection.close()

    def congest(self) -> None:
        self.is_reading, self.stopped_at = False, self.served_by.loop.time()

    def drain(self) -> None:
        if not self.is_reading:
            self.is_reading, self.reading_since = True, self.served_by.loop.time()
        if self.connection is not None:
            self.connection.drain()

    def join(self, room: UUID, *, after: int | None, max_replay: int = 1_000) -> None:
        fields = {} if after is None else {"after": after, "max_replay": max_replay}
        self._request("join", {room: after}, room=room, **fields)

    def leave(self, room: UUID, *, forget: bool) -> None:
        self._request("leave", {room: None}, room=room, forget=forget)

    def read(self, room: UUID, message_id: int, *, unread: bool) -> None:
        self._request("read", {room: None}, room=room, id=message_id, unread=unread)

    def resume(self, *, by_sync: bool) -> None:
        """Resumes every room after its last seq, and repeats the unanswered sends."""
        if by_sync:
            rooms: dict[UUID, int | None] = dict(self.followed)
            self._request("sync", rooms, rooms={str(room): after for room, after in rooms.items()})
        else:
            for room, after in self.followed.items():
                self.join(room, after=after)
        for client_id, unanswered in self.unanswered.items():
            self.send_again(unanswered.room, client_id)

    def send(self, room_id: UUID, *, count: int = 1) -> None:
        """Sends `count` messages without waiting for replies."""
        room = self.store.rooms[room_id]
        for _ in range(count):
            client_id = f"{self.name}-{next(self.numbers)}"
            was_member = room.current_membership(self.user.id) is not None
            self.unanswered[client_id] = Unanswered(room_id, room.seq, was_member)
            self.send_again(room_id, client_id)

    def send_again(self, room: UUID, client_id: str) -> None:
        self._request("send", {room: None}, client_id, room=room, text=f"I say {client_id}")

    def _request(self, action: str, rooms: dict[UUID, int | None], client_id: str = "", /, **fields: object) -> None:
        assert self.connection is not None
        number = next(self.numbers)
        is_first = client_id not in self.used_client_ids
        self.used_client_ids.add(client_id)
        self.requests[number] = Request(action, rooms, number, client_id, is_first)
        payload = {name: str(value) if isinstance(value, UUID) else value for name, value in fields.items()}
        if client_id:
            payload["client_id"] = client_id
        self.connection.send({"action": action, "request_id": number, **payload})

    # -- frames -------------------------------------------------------------------------------------------------------

    def closed(self, code: int) -> None:
        if code not in {ABNORMAL_CLOSURE, DRAINING.code, SLOW_READER.code}:
            self.report(f"was closed with the unexpected code {code}")
        self.connection = self.greeted_at = None
        self.received.clear()
        self.streams.clear()
        self.requests.clear()
        self.last_acks.clear()

    def receive(self, payload: bytes) -> None:
        self.frames_received += 1
        frame = frames.decode(payload)
        if frame.event is None:
            self._receive_reply(frame, self.requests.pop(frame.request_id))
        elif frame.event == "hello":
            self.greeted_at = self.store.versions[self.user.id]
        elif frame.room is not None and frame.seq:
            self._receive_entry(frame.room, frame)
        elif frame.room is not None:
            self._receive_change(frame.event, frame.room, frame)

    def _receive_entry(self, room: UUID, frame: Frame) -> None:
        """Checks that the entry is the next one of its stream, and equals the log's. A removal ends the stream."""
        stream = self.streams.get(room)
        if stream is None:
            return self.report(f"received {frame.event} {frame.seq} of a room that it does not follow")
        if frame.seq != stream.last + 1:
            return self.report(f"received {frame.event} {frame.seq} after {stream.last}")
        stream.last = self.followed[room] = frame.seq
        entry = self.store.rooms[room].entries[frame.seq - 1]
        if entry.kind != frame.event:
            return self.report(f"received {frame.event} {frame.seq}, which is {entry.kind} in the log")
        if entry.message_id is not None:
            text = self.store.rooms[room].messages[entry.message_id - 1].text
            if messages.decode(frame.data).text != text:
                self.report(f"received a text at {frame.seq} that differs from the log's")
        elif self._ends(stream, frame):
            self.removals_received += 1
            del self.streams[room]
        return None

    def _ends(self, stream: Stream, frame: Frame) -> bool:
        """Returns whether `frame` removes this user from their present membership, not from an earlier one."""
        is_removal = frame.event in EVICTIONS and frame.seq > stream.since
        return is_removal and changes.decode(frame.data).member.user.id == self.user.id

    def _receive_change(self, event: str, room: UUID, frame: Frame) -> None:
        """Remembers what the user receives. Checks that they have not been out of the room for long."""
        self.changes_received += 1
        now = self.served_by.loop.time()
        membership = self.store.rooms[room].memberships[self.user.id]
        if membership.left_at is not None and now - max(_s(membership.left_at), self.reading_since) > CAUGHT_UP_S:
            self.report(f"received {event} about a room that they left long ago")
        self.received[event, room] = Received(now, reads.decode(frame.data).read_id if event == "read" else 0)

    def missing_changes(self) -> list[str]:
        """Returns each change that concerns the user of which this connection should have received by now."""
        now, faults = self.served_by.loop.time(), []
        for room_id, room in self.store.rooms.items():
            membership = room.current_membership(self.user.id)
            if membership is None or self.greeted_at is None or not self.is_reading:
                continue
            for event, change in (("room.added", membership.added), ("read", membership.read)):
                if change is None or change.version <= self.greeted_at:
                    continue
                is_due = now - max(_s(change.at), self.reading_since) > CAUGHT_UP_S
                received = self.received.get((event, room_id))
                if received is None or received.at < _s(change.at):
                    if is_due:
                        faults.append(f"{self.name} did not receive {event}, version {change.version}")
                elif is_due and event == "read" and not change.read_id <= received.read_id <= membership.read_id:
                    faults.append(f"{self.name} received the read cursor {received.read_id}, not {change.read_id}")
        return faults

    def _receive_reply(self, frame: Frame, request: Request) -> None:
        status = frame.response_status
        match request.action:
            case "join" if status == 200:
                answer = joins.decode(frame.data)
                (room, after), *_ = request.rooms.items()
                self._follow(room, after=after, head=answer.head.seq, resync=answer.resync)
                joined_seq = answer.membership.joined_seq
                if self.streams[room].since != joined_seq:
                    self.report(f"received joined_seq {joined_seq}, which is {self.streams[room].since} in the log")
            case "sync" if status == 200:
                for room, synced in syncs.decode(frame.data).rooms.items():
                    if synced.head is None:
                        self.streams.pop(room, None)
                    else:
                        after = request.rooms[room]
                        self._follow(room, after=after, head=synced.head.seq, resync=synced.resync)
            case "leave" if status == 200:
                for room in request.rooms:
                    self.streams.pop(room, None)
                    self.followed.pop(room, None)
            case "send" if status == 201:
                self._receive_ack(request, sends.decode(frame.data))
            case "send" if status in {403, 404}:
                self._receive_refusal(request)
            case "join" if status in {403, 404}:
                for room in request.rooms:
                    self.streams.pop(room, None)  # a refused join also ends an earlier follow
            case "leave" if status in {403, 404, 409}:
                pass
            case "read" if status in {200, 403, 404}:
                pass
            case _:
                self.report(f"received status {status} in reply to {request.action}")

    def _follow(self, room: UUID, *, after: int | None, head: int, resync: bool) -> None:
        """Starts a stream at `after`, or at the head. Without `after`, an existing stream continues."""
        since = self.store.joined_seq(room, self.user.id, head=head)
        stream = self.streams.get(room)
        if stream is not None and after is None:
            stream.since = since
            return
        last = head if after is None or resync else after
        self.streams[room] = Stream(last=last, since=since)
        self.followed[room] = last

    def _receive_ack(self, request: Request, answer: SendAnswer) -> None:
        """Checks that the log has the message at the seq in the ack.

        Every ack of a client_id must give the same seq, and first acks must follow the order of the sends.
        """
        (room, _), *_ = request.rooms.items()
        self.unanswered.pop(request.client_id, None)
        if self.accepted.setdefault(request.client_id, (room, answer.seq)) != (room, answer.seq):
            earlier = self.accepted[request.client_id]
            self.report(f"received seq {answer.seq} for {request.client_id}, and {earlier} before")
        if request.is_first:
            number, seq = self.last_acks.get(room, (0, 0))
            if (request.number > number) is not (answer.seq > seq):
                self.report(f"received seq {answer.seq} for {request.client_id}, not in the order of its sends")
            self.last_acks[room] = request.number, answer.seq
        entry = self.store.rooms[room].entries[answer.seq - 1]
        message = self.store.rooms[room].messages[answer.id - 1]
        if (entry.message_id, message.client_id) != (answer.id, request.client_id):
            self.report(f"received seq {answer.seq} for {request.client_id}, which is not there in the log")

    def _receive_refusal(self, request: Request) -> None:
        """Checks that the message was not accepted before, and that the user was not a member all the time."""
        (room, _), *_ = request.rooms.items()
        sent = self.unanswered.pop(request.client_id, None)
        if request.client_id in self.accepted:
            self.report(f"received a refusal of {request.client_id}, which was accepted before")
        elif sent and sent.was_member and not self.store.removals(room, self.user.id, after=sent.head):
            self.report(f"received a refusal of {request.client_id}, though the user was a member all the time")

    def report(self, fault: str) -> None:
        self.faults.append(f"{self.name} {fault}")


def _s(at: datetime) -> float:
    """Returns a time of the model on the clock of the loop."""
    return (at - AT).total_seconds()
