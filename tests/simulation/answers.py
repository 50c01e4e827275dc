"""The fields of server frames that the simulated client reads. All others are ignored."""

from uuid import UUID

import msgspec


class Frame(msgspec.Struct):
    """Any frame of the server: an event or a reply."""

    event: str | None = None
    room: UUID | None = None
    seq: int = 0
    action: str | None = None
    request_id: int = 0
    response_status: int = 0
    data: msgspec.Raw = msgspec.Raw(b"null")


class HeadAnswer(msgspec.Struct):
    seq: int


class MembershipAnswer(msgspec.Struct):
    joined_seq: int


class JoinAnswer(msgspec.Struct):
    head: HeadAnswer
    resync: bool
    membership: MembershipAnswer


class SyncAnswer(msgspec.Struct):
    """The result of `sync` in one room. `head` is None if the room was refused with an error."""

    head: HeadAnswer | None = None
    resync: bool = False


class SyncAnswers(msgspec.Struct):
    rooms: dict[UUID, SyncAnswer]


class SendAnswer(msgspec.Struct):
    seq: int
    id: int


class ReadAnswer(msgspec.Struct):
    read_id: int


class MessageData(msgspec.Struct):
    text: str
    client_id: str


class UserData(msgspec.Struct):
    id: UUID


class MemberData(msgspec.Struct):
    user: UserData


class ChangeData(msgspec.Struct):
    member: MemberData


frames = msgspec.json.Decoder(Frame)
joins = msgspec.json.Decoder(JoinAnswer)
syncs = msgspec.json.Decoder(SyncAnswers)
sends = msgspec.json.Decoder(SendAnswer)
reads = msgspec.json.Decoder(ReadAnswer)
messages = msgspec.json.Decoder(MessageData)
changes = msgspec.json.Decoder(ChangeData)
