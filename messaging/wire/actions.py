"""The actions that clients may send, each declared once, on its struct. Pure.

The struct has the fields of the request. Its `contract` has the rest: the reply's data and status, the refusals and the
examples. The socket, REST, the generated documents and the tests all read these declarations. Bounds that are settings
are checked in `messaging/wire/checks.py`. Docstrings and descriptions of fields are published in asyncapi.yaml and
address the developers of clients.
"""

from collections.abc import Mapping
from functools import cache
from typing import Annotated, ClassVar, Final
from uuid import UUID

import msgspec
from msgspec import Meta

from foundation.errors import (
    DomainError,
    Forbidden,
    Internal,
    Invalid,
    LimitReached,
    NotFound,
    Overloaded,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from foundation.schema import MAX_INTEGER, CustomData
from messaging.errors import ClientIdReused
from messaging.wire import samples
from messaging.wire.limits import Limits
from messaging.wire.shapes import Followed, MessagePage, Pong, Sent, Synced, SyncedRooms, error_of
from rooms.errors import Archived, LastOwner, Muted, NotAMember
from rooms.permissions import NO_ROOM
from rooms.samples import AT, HEAD, MEMBER, OTHER_ROOM_ID, READ, ROOM, ROOM_ID
from rooms.schema import ReadState

_DEFAULTS = Limits()

RequestId = Annotated[str, Meta(max_length=128)] | Annotated[int, Meta(ge=-MAX_INTEGER, le=MAX_INTEGER)]
MessageId = Annotated[int, Meta(ge=1, le=MAX_INTEGER)]
# The upper bounds of the next three are settings. The documents show the defaults.
Text = Annotated[
    str,
    Meta(
        description="At most `max_text_chars` characters, without NUL. May be blank only if `data` is not empty",
        extra_json_schema={"maxLength": _DEFAULTS.max_text_chars},
    ),
]
ClientId = Annotated[  # printable ASCII
    str,
    Meta(min_length=1, pattern=r"^[ -~]+$(?!\n)", extra_json_schema={"maxLength": _DEFAULTS.max_client_id_chars}),
]
PageLimit = Annotated[int, Meta(ge=1, extra_json_schema={"maximum": _DEFAULTS.history_page_max})]
Seq = Annotated[int, Meta(ge=0, le=MAX_INTEGER)]
MaxReplay = Annotated[int, Meta(ge=0, le=100_000)]

# The refusals of every action that needs the database.
_DATABASE_REFUSALS: Final = (Overloaded, Unavailable, Internal)


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """What an action promises, in addition to the fields of its request."""

    answer: type[msgspec.Struct] | None  # the type of `data` in the reply
    status: int = 200  # of the reply
    refusals: tuple[type[DomainError], ...]  # in addition to `invalid` and `rate_limited`, which every action has
    reads: bool = False  # whether it is refused with `rate_limited` to a user who has been sent too much
    features: tuple[str, ...] = ()  # names that it adds to `features` in `hello`
    request: Mapping[str, object]  # the fields of the example of a request
    reply: msgspec.Struct | None  # `data` in the example of a reply


class Action(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="action", kw_only=True):
    """A request that a client sends on the socket. The tag is its name in JSON."""

    request_id: Annotated[RequestId | None, Meta(description="Of your choice. Returned in the reply")] = None

    contract: ClassVar[Contract]

    @classmethod
    @cache
    def name(cls) -> str:
        return str(cls.__struct_config__.tag)


def features() -> tuple[str, ...]:
    """Returns what `hello` announces: the features of all actions."""
    return tuple(sorted(feature for kind in Action.__subclasses__() for feature in kind.contract.features))


class Join(Action, frozen=True, tag="join"):
    """Follow a room on this socket; with `after`, replay what is later. Joining a public room makes you a member."""

    room: UUID
    after: Annotated[
        Seq | None, Meta(description="Replay every entry after this seq, before any live event. Null: no replay")
    ] = None
    max_replay: Annotated[
        MaxReplay, Meta(description="Most entries to replay. If more are missing, the reply says `resync`")
    ] = 1_000
    epoch: Annotated[UUID | None, Meta(description="The `epoch` under which you learned `after`")] = None
    history: Annotated[
        Annotated[int, Meta(ge=0, le=100)] | None, Meta(description="Number of latest messages to include in the reply")
    ] = None

    contract = Contract(
        answer=Followed,
        reads=True,
        refusals=(NotFound, NotAMember, Archived, LimitReached, *_DATABASE_REFUSALS),
        features=("resume",),
        request={"room": ROOM_ID, "after": 57, "epoch": samples.EPOCH},
        reply=Followed(room=ROOM, membership=MEMBER, head=HEAD, unread=1, resync=False),
    )


class Leave(Action, frozen=True, tag="leave"):
    """Stop following a room on this socket. With `forget`, also end your membership."""

    room: UUID
    forget: Annotated[bool, Meta(description="Also end your membership")] = False

    contract = Contract(
        answer=None,
        refusals=(NotFound, NotAMember, LastOwner, *_DATABASE_REFUSALS),
        request={"room": ROOM_ID, "forget": True},
        reply=None,
    )


class Sync(Action, frozen=True, tag="sync"):
    """Follow many rooms of which you are a member, each from its own seq, or from now on if it is null."""

    rooms: Annotated[
        dict[UUID, Seq | None],
        Meta(max_length=1_000, description="By room: replay every entry after this seq. Null: no replay"),
    ]
    max_replay: Annotated[MaxReplay, Meta(description="Most entries to replay, in all rooms together")] = 10_000
    epoch: Annotated[UUID | None, Meta(description="The `epoch` under which you learned the seqs")] = None

    contract = Contract(
        answer=SyncedRooms,
        reads=True,
        refusals=(LimitReached, *_DATABASE_REFUSALS),
        features=("sync",),
        request={"rooms": {str(ROOM_ID): 57, str(OTHER_ROOM_ID): None}, "epoch": samples.EPOCH},
        reply=SyncedRooms(
            {
                ROOM_ID: Synced(head=HEAD, unread=1, resync=False),
                OTHER_ROOM_ID: Synced(error=error_of(NotFound(NO_ROOM))),
            }
        ),
    )


class Send(Action, frozen=True, tag="send"):
    """Send a message. If you get no answer, send it again with the same `client_id`: it will be stored once."""

    room: UUID
    text: Text
    client_id: Annotated[
        ClientId | None,
        Meta(description="A key that you choose for each message and repeat when you send the message again"),
    ] = None
    reply_to: Annotated[
        MessageId | None, Meta(description="Id of an earlier message of the room that this one replies to")
    ] = None
    data: CustomData = msgspec.field(default_factory=dict)

    contract = Contract(
        answer=Sent,
        status=201,
        refusals=(
            NotFound, NotAMember, Forbidden, Muted, Archived, TooLarge, ClientIdReused, Unauthenticated,
            *_DATABASE_REFUSALS,
        ),
        features=("reply_to",),
        request={"room": ROOM_ID, "text": "hi", "client_id": "c-1"},
        reply=Sent(ROOM_ID, 42, 57, AT),
    )  # fmt: skip

    def __post_init__(self) -> None:
        if not self.text.strip() and not self.data:
            raise Invalid("A message needs `text` or `data`.", field="text")


class History(Action, frozen=True, tag="history"):
    """Request a page of messages, oldest first: the latest, or those before, after or around an id."""

    room: UUID
    before: Annotated[MessageId | None, Meta(description="Only messages with a lower id")] = None
    after: Annotated[Seq | None, Meta(description="Only messages with a higher id")] = None
    around: Annotated[MessageId | None, Meta(description="The message with this id, and those next to it")] = None
    limit: PageLimit = 50

    contract = Contract(
        answer=MessagePage,
        reads=True,
        refusals=(NotFound, NotAMember, *_DATABASE_REFUSALS),
        features=("history",),
        request={"room": ROOM_ID, "before": 42, "limit": 20},
        reply=MessagePage([samples.MESSAGE], has_before=True, has_after=False),
    )

    def __post_init__(self) -> None:
        if (self.before, self.after, self.around).count(None) < 2:
            raise Invalid("Give at most one of `before`, `after` and `around`.", field="before")


class Read(Action, frozen=True, tag="read"):
    """Move your read cursor forward; with `unread`, also back."""

    room: UUID
    id: Annotated[int, Meta(ge=0, le=MAX_INTEGER, description="Id of the last message that you have read; 0 for none")]
    unread: Annotated[bool, Meta(description="Also move the cursor back, if it is beyond `id`")] = False

    contract = Contract(
        answer=ReadState,
        refusals=(NotFound, NotAMember, *_DATABASE_REFUSALS),
        features=("read",),
        request={"room": ROOM_ID, "id": 42},
        reply=READ,
    )


class Ping(Action, frozen=True, tag="ping"):
    """Check that the connection is alive."""

    contract = Contract(answer=Pong, refusals=(Internal,), request={}, reply=Pong(AT))
