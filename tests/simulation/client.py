"""A client that lives by the rules of the protocol, and holds the server to them: it checks every frame it gets."""

from dataclasses import dataclass, field
from itertools import count
from uuid import UUID

from accounts.schema import User
from messaging.wire.closes import DRAINING, SLOW_READER
from tests.simulation.answers import Frame, SendAnswer, changes, frames, joins, messages, sends, syncs
from tests.simulation.connection import GONE, Connection
from tests.simulation.model_store import EVICTIONS, ModelStore
from tests.simulation.worker import Worker


@dataclass
class Stream:
    """One follow of a room: the last seq it brought, and the membership that it rests on."""

    last: int
    since: int


@dataclass
class Request:
    action: str
    rooms: dict[UUID, int | None]  # and the `after` of each
    number: int
    client_id: str = ""
    is_first: bool = False  # of its client_id


@dataclass(frozen=True)
class Unanswered:
    """A send whose fate is not known: its room, and how things stood when it was first made."""

    room: UUID
    head: int
    was_member: bool


@dataclass(eq=False)
class Client:
    """One device. What it finds wrong goes to `faults`: raised in the midst of the server, it would be caught there."""

    name: str
    user: User
    store: ModelStore
    faults: list[str]
    is_direct: bool
    is_reading: bool = True
    stopped_at: float = 0.0  # reading
    connection: Connection | None = None
    worker: Worker | None = None  # the last one
    streams: dict[UUID, Stream] = field(default_factory=dict)
    followed: dict[UUID, int] = field(default_factory=dict)  # the last seq of each room, across connections
    requests: dict[int, Request] = field(default_factory=dict)
    unanswered: dict[str, Unanswered] = field(default_factory=dict)  # by client_id
    accepted: dict[str, tuple[UUID, int]] = field(default_factory=dict)  # client_id: room, seq
    said: set[str] = field(default_factory=set)  # every client_id
    latest: dict[UUID, tuple[int, int]] = field(default_factory=dict)  # by room: the last ack's request and seq
    numbers: "count[int]" = field(default_factory=lambda: count(1))
    heard: int = 0  # frames
    removals: int = 0

    @property
    def served_by(self) -> Worker:
        assert self.worker is not None
        return self.worker

    # -- what it does -------------------------------------------------------------------------------------------------

    def connect(self, worker: Worker) -> None:
        self.worker, self.is_reading = worker, True
        self.connection = Connection(worker, self, self.user, is_direct=self.is_direct)

    def drop(self) -> None:
        assert self.connection is not None
        self.connection.end()

    def congest(self) -> None:
        self.is_reading, self.stopped_at = False, self.served_by.loop.time()

    def drain(self) -> None:
        self.is_reading = True
        if self.connection is not None:
            self.connection.drain()

    def join(self, room: UUID, *, after: int | None, max_replay: int = 1_000) -> None:
        fields = {} if after is None else {"after": after, "max_replay": max_replay}
        self._request("join", {room: after}, room=room, **fields)

    def leave(self, room: UUID, *, forget: bool) -> None:
        self._request("leave", {room: None}, room=room, forget=forget)

    def resume(self, *, by_sync: bool) -> None:
        """Go on where it was before, and send again what was not answered."""
        if by_sync:
            rooms: dict[UUID, int | None] = dict(self.followed)
            self._request("sync", rooms, rooms={str(room): after for room, after in rooms.items()})
        else:
            for room, after in self.followed.items():
                self.join(room, after=after)
        for client_id, unanswered in self.unanswered.items():
            self.send_again(unanswered.room, client_id)

    def send(self, room_id: UUID, *, count: int = 1) -> None:
        """So many messages, one right after the other."""
        room = self.store.rooms[room_id]
        for _ in range(count):
            client_id = f"{self.name}-{next(self.numbers)}"
            self.unanswered[client_id] = Unanswered(room_id, room.seq, room.member(self.user.id) is not None)
            self.send_again(room_id, client_id)

    def send_again(self, room: UUID, client_id: str) -> None:
        self._request("send", {room: None}, client_id, room=room, text=f"I say {client_id}")

    def _request(self, action: str, asked: dict[UUID, int | None], client_id: str = "", /, **fields: object) -> None:
        assert self.connection is not None
        number = next(self.numbers)
        is_first = client_id not in self.said
        self.said.add(client_id)
        self.requests[number] = Request(action, asked, number, client_id, is_first)
        given = {name: str(value) if isinstance(value, UUID) else value for name, value in fields.items()}
        if client_id:
            given["client_id"] = client_id
        self.connection.say({"action": action, "request_id": number, **given})

    # -- what it hears ------------------------------------------------------------------------------------------------

    def closed(self, code: int) -> None:
        if code not in {GONE, DRAINING.code, SLOW_READER.code}:
            self.blame(f"was closed with {code}")
        self.connection = None
        self.streams.clear()
        self.requests.clear()
        self.latest.clear()

    def take(self, payload: bytes) -> None:
        self.heard += 1
        frame = frames.decode(payload)
        if frame.event is None:
            self._hear_reply(frame, self.requests.pop(frame.request_id))
        elif frame.room is not None and frame.seq:
            self._hear_event(frame.room, frame)

    def _hear_event(self, room: UUID, frame: Frame) -> None:
        stream = self.streams.get(room)
        if stream is None:
            return self.blame(f"hears {frame.event} {frame.seq} of a room that it does not follow")
        if frame.seq != stream.last + 1:
            return self.blame(f"hears {frame.event} {frame.seq} after {stream.last}")
        stream.last = self.followed[room] = frame.seq
        entry = self.store.rooms[room].entries[frame.seq - 1]
        if entry.kind != frame.event:
            return self.blame(f"hears {frame.event} {frame.seq}, which is {entry.kind}")
        if entry.message_id is not None:
            said = self.store.rooms[room].messages[entry.message_id - 1].text
            if messages.decode(frame.data).text != said:
                self.blame(f"hears another text at {frame.seq}")
        elif self._ends(stream, frame):
            self.removals += 1
            del self.streams[room]
        return None

    def _ends(self, stream: Stream, frame: Frame) -> bool:
        """Whether this is one's own removal, and not that from an earlier membership."""
        is_removal = frame.event in EVICTIONS and frame.seq > stream.since
        return is_removal and changes.decode(frame.data).member.user.id == self.user.id

    def _hear_reply(self, frame: Frame, request: Request) -> None:
        status = frame.response_status
        match request.action:
            case "join" if status == 200:
                answer = joins.decode(frame.data)
                (room, after), *_ = request.rooms.items()
                self._follow(room, after=after, head=answer.head.seq, resync=answer.resync)
                if self.streams[room].since != answer.membership.joined_seq:
                    self.blame(f"joined at {answer.membership.joined_seq}, the log says {self.streams[room].since}")
            case "sync" if status == 200:
                for room, found in syncs.decode(frame.data).rooms.items():
                    if found.head is None:
                        self.streams.pop(room, None)
                    else:
                        after = request.rooms[room]
                        self._follow(room, after=after, head=found.head.seq, resync=found.resync)
            case "leave" if status == 200:
                for room in request.rooms:
                    self.streams.pop(room, None)
                    self.followed.pop(room, None)
            case "send" if status == 201:
                self._hear_ack(request, sends.decode(frame.data))
            case "send" if status in {403, 404}:
                self._hear_refusal(request)
            case "join" if status in {403, 404}:
                for room in request.rooms:
                    self.streams.pop(room, None)  # a refusal ends an earlier follow, too
            case "leave" if status in {403, 404, 409}:
                pass
            case _:
                self.blame(f"{request.action} is answered {status}")

    def _follow(self, room: UUID, *, after: int | None, head: int, resync: bool) -> None:
        """Begin at the head or at `after`; who joins again without naming one goes on as before."""
        since = self.store.joined_seq(room, self.user.id, head=head)
        stream = self.streams.get(room)
        if stream is not None and after is None:
            stream.since = since
            return
        last = head if after is None or resync else after
        self.streams[room] = Stream(last=last, since=since)
        self.followed[room] = last

    def _hear_ack(self, request: Request, answer: SendAnswer) -> None:
        """A retry hears what the first one heard, and the log has it there."""
        (room, _), *_ = request.rooms.items()
        self.unanswered.pop(request.client_id, None)
        if self.accepted.setdefault(request.client_id, (room, answer.seq)) != (room, answer.seq):
            self.blame(f"{request.client_id} is at {answer.seq}, and was at {self.accepted[request.client_id]}")
        if request.is_first:
            number, seq = self.latest.get(room, (0, 0))
            if (request.number > number) is not (answer.seq > seq):
                self.blame(f"{request.client_id} is at {answer.seq}, out of the order in which it was sent")
            self.latest[room] = request.number, answer.seq
        entry = self.store.rooms[room].entries[answer.seq - 1]
        message = self.store.rooms[room].messages[answer.id - 1]
        if (entry.message_id, message.client_id) != (answer.id, request.client_id):
            self.blame(f"{request.client_id} is not at {answer.seq}")

    def _hear_refusal(self, request: Request) -> None:
        """Nobody is refused who has been a member all the while; nothing is refused that was accepted."""
        (room, _), *_ = request.rooms.items()
        sent = self.unanswered.pop(request.client_id, None)
        if request.client_id in self.accepted:
            self.blame(f"{request.client_id} is refused, and was accepted")
        elif sent and sent.was_member and not self.store.removals(room, self.user.id, after=sent.head):
            self.blame(f"{request.client_id} is refused to a member")

    def blame(self, what: str) -> None:
        self.faults.append(f"{self.name} {what}")
