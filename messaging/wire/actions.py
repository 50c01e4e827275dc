"""What a client may send: one struct for each action. Pure; bounds that are settings are checked in `protocol`."""

from typing import Annotated, get_args
from uuid import UUID

import msgspec
from msgspec import Meta

from foundation.errors import Invalid
from foundation.schema import MAX_INTEGER, CustomData
from messaging.wire.limits import Limits

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


class Action(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="action", kw_only=True):
    request_id: RequestId | None = None

    @property
    def name(self) -> str:
        return str(self.__struct_config__.tag)


Seq = Annotated[int, Meta(ge=0, le=MAX_INTEGER)]
MaxReplay = Annotated[int, Meta(ge=0, le=100_000)]


class Join(Action, frozen=True, tag="join"):
    """Follow a room on this socket; become a member where it is public. With `after` all that is later is replayed."""

    room: UUID
    after: Seq | None = None
    max_replay: MaxReplay = 1_000
    epoch: UUID | None = None
    history: Annotated[int, Meta(ge=0, le=100)] | None = None


class Leave(Action, frozen=True, tag="leave"):
    """Stop following; with `forget` end the membership."""

    room: UUID
    forget: bool = False


class Sync(Action, frozen=True, tag="sync"):
    """Follow many rooms that one is a member of, each from its own seq; null for what is to come only."""

    rooms: Annotated[dict[UUID, Seq | None], Meta(max_length=1_000)]
    max_replay: MaxReplay = 10_000
    epoch: UUID | None = None


class Send(Action, frozen=True, tag="send"):
    """Say something, in `text` or `data`. Retry with the same `client_id` until it is answered."""

    room: UUID
    text: Text
    client_id: ClientId | None = None
    reply_to: MessageId | None = None
    data: CustomData = msgspec.field(default_factory=dict)

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

    def __post_init__(self) -> None:
        if (self.before, self.after, self.around).count(None) < 2:
            raise Invalid("Give one of `before`, `after` and `around`.", field="before")


class Read(Action, frozen=True, tag="read"):
    """Move the read cursor: forward, or with `unread` also back."""

    room: UUID
    id: Annotated[int, Meta(ge=0, le=MAX_INTEGER)]
    unread: bool = False


class Ping(Action, frozen=True, tag="ping"):
    """Ask for a sign of life."""


AnyAction = Join | Leave | Sync | Send | History | Read | Ping
NAMES = frozenset(str(kind.__struct_config__.tag) for kind in get_args(AnyAction))
