"""What clients may send: each action declared once, on its struct. Pure.

The struct holds the fields of the request. Its `contract` holds the rest: what the action answers, with which status,
how it may be refused, and its examples. Both doors, the documents and their tests read it here. Bounds that are
settings are checked in `messaging/wire/checks.py`.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Final
from uuid import UUID

import msgspec
from msgspec import Meta

from foundation.errors import (
    DomainError,
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
# The upper bounds of these are settings, whose defaults the documents show.
Text = Annotated[
    str,
    Meta(
        description="At most `max_text_chars` characters, none of them NUL",
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

# What every action that needs the database may be answered with.
_OF_THE_DATABASE: Final = (Overloaded, Unavailable, Internal)


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """What is promised of an action beside the fields of its request."""

    answer: type[msgspec.Struct] | None  # what `data` of the reply holds
    status: int = 200
    refusals: tuple[type[DomainError], ...]  # beside `invalid` and `rate_limited`, which every action may meet
    features: tuple[str, ...] = ()  # what `hello` announces of it
    request: Mapping[str, object]  # an example: the fields
    reply: msgspec.Struct | None  # an example: `data`


class Action(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="action", kw_only=True):
    """A request of a client. The tag is its name on the wire."""

    request_id: RequestId | None = None

    contract: ClassVar[Contract]

    @classmethod
    def name(cls) -> str:
        return str(cls.__struct_config__.tag)


def features() -> tuple[str, ...]:
    """Returns what `hello` announces: the features of all actions."""
    return tuple(sorted(feature for kind in Action.__subclasses__() for feature in kind.contract.features))


class Join(Action, frozen=True, tag="join"):
    """Follow a room on this socket. Joining a public room makes you a member. `after` replays what is later."""

    room: UUID
    after: Seq | None = None
    max_replay: MaxReplay = 1_000
    epoch: UUID | None = None
    history: Annotated[int, Meta(ge=0, le=100)] | None = None

    contract = Contract(
        answer=Followed,
        refusals=(NotFound, NotAMember, Archived, LimitReached, *_OF_THE_DATABASE),
        features=("resume",),
        request={"room": ROOM_ID, "after": 57, "epoch": samples.EPOCH},
        reply=Followed(room=ROOM, membership=MEMBER, head=HEAD, unread=1, resync=False),
    )


class Leave(Action, frozen=True, tag="leave"):
    """Stop following a room. With `forget`, end the membership too."""

    room: UUID
    forget: bool = False

    contract = Contract(
        answer=None,
        refusals=(NotFound, NotAMember, LastOwner, *_OF_THE_DATABASE),
        request={"room": ROOM_ID, "forget": True},
        reply=None,
    )


class Sync(Action, frozen=True, tag="sync"):
    """Follow many rooms of which you are a member, each from its own seq; null follows only what is to come."""

    rooms: Annotated[dict[UUID, Seq | None], Meta(max_length=1_000)]
    max_replay: MaxReplay = 10_000
    epoch: UUID | None = None

    contract = Contract(
        answer=SyncedRooms,
        refusals=(LimitReached, *_OF_THE_DATABASE),
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
    """Send a message, in `text` or `data`. Retry with the same `client_id` until it is answered."""

    room: UUID
    text: Text
    client_id: ClientId | None = None
    reply_to: MessageId | None = None
    data: CustomData = msgspec.field(default_factory=dict)

    contract = Contract(
        answer=Sent,
        status=201,
        refusals=(
            NotFound, NotAMember, Muted, Archived, TooLarge, ClientIdReused, Unauthenticated,
            *_OF_THE_DATABASE,
        ),
        features=("reply_to",),
        request={"room": ROOM_ID, "text": "hi", "client_id": "c-1"},
        reply=Sent(ROOM_ID, 42, 57, AT),
    )  # fmt: skip

    def __post_init__(self) -> None:
        if not self.text.strip() and not self.data:
            raise Invalid("A message needs a text or data.", field="text")


class History(Action, frozen=True, tag="history"):
    """A page of messages, oldest first: the latest, or those before, after or around an id."""

    room: UUID
    before: MessageId | None = None
    after: Seq | None = None
    around: MessageId | None = None
    limit: PageLimit = 50

    contract = Contract(
        answer=MessagePage,
        refusals=(NotFound, NotAMember, *_OF_THE_DATABASE),
        features=("history",),
        request={"room": ROOM_ID, "before": 42, "limit": 20},
        reply=MessagePage([samples.MESSAGE], has_before=True, has_after=False),
    )

    def __post_init__(self) -> None:
        if (self.before, self.after, self.around).count(None) < 2:
            raise Invalid("Give one of `before`, `after` and `around`.", field="before")


class Read(Action, frozen=True, tag="read"):
    """Move your read cursor forward, or with `unread` also back."""

    room: UUID
    id: Annotated[int, Meta(ge=0, le=MAX_INTEGER)]
    unread: bool = False

    contract = Contract(
        answer=ReadState,
        refusals=(NotFound, NotAMember, *_OF_THE_DATABASE),
        features=("read",),
        request={"room": ROOM_ID, "id": 42},
        reply=READ,
    )


class Ping(Action, frozen=True, tag="ping"):
    """Ask whether the server is there."""

    contract = Contract(answer=Pong, refusals=(Internal,), request={}, reply=Pong(AT))
