"""The JSON shapes of accounts. Knows no framework."""

from datetime import datetime
from typing import Annotated, Literal, NamedTuple
from uuid import UUID

import msgspec
from msgspec import Meta

from foundation.schema import NO_CONTROLS, CustomData, Struct, Url

DisplayName = Annotated[str, Meta(max_length=100, pattern=NO_CONTROLS)]
AddedBy = Literal["anyone", "shares_a_room", "invitation"]


class User(Struct, frozen=True):
    """A person or a bot, as other users see them."""

    id: UUID
    username: str
    display_name: str
    avatar_url: str
    bot: bool
    data: CustomData


class Me(User, frozen=True):
    """Your own user: what other users see of you, and your settings, which only you see."""

    added_by: Annotated[
        AddedBy,
        Meta(
            description="Who may add you to rooms. `anyone`; `shares_a_room`: only members of a room of which you are "
            "a member too; `invitation`: nobody, so that you only join rooms yourself"
        ),
    ]


class UserPage(Struct, frozen=True):
    results: list[User]
    has_before: bool
    has_after: bool


class UserPatch(Struct, frozen=True):
    """The fields of your own user that you can change. Fields that are left out keep their values."""

    display_name: DisplayName | msgspec.UnsetType = msgspec.UNSET
    avatar_url: Url | msgspec.UnsetType = msgspec.UNSET
    data: CustomData | msgspec.UnsetType = msgspec.UNSET
    added_by: Annotated[
        AddedBy | None | msgspec.UnsetType, Meta(description="Who may add you to rooms; null for the server's default")
    ] = msgspec.UNSET


class Principal(Struct, frozen=True):
    """An authenticated user, and the session that the access token belongs to. Never sent to clients."""

    user: User
    session_key: str
    session_id: UUID
    auth_version: int
    expires_at: datetime


class SessionStanding(NamedTuple):
    """The current state of a session's user."""

    is_active: bool
    auth_version: int
