"""The JSON shapes of accounts. Knows no framework."""

from datetime import datetime
from typing import Annotated, NamedTuple
from uuid import UUID

import msgspec
from msgspec import Meta

from foundation.schema import NO_CONTROLS, CustomData, Struct, Url

DisplayName = Annotated[str, Meta(max_length=100, pattern=NO_CONTROLS)]


class User(Struct, frozen=True):
    """A person or a bot, as others see them."""

    id: UUID
    username: str
    display_name: str
    avatar_url: str
    bot: bool
    data: CustomData


class UserPage(Struct, frozen=True):
    results: list[User]
    has_before: bool
    has_after: bool


class UserPatch(Struct, frozen=True):
    """What one may change of oneself; what is left out stays."""

    display_name: DisplayName | msgspec.UnsetType = msgspec.UNSET
    avatar_url: Url | msgspec.UnsetType = msgspec.UNSET
    data: CustomData | msgspec.UnsetType = msgspec.UNSET


class Principal(Struct, frozen=True):
    """Somebody who has proved who they are, and the session that they proved it in. Never leaves the server."""

    user: User
    session_key: str
    session_id: UUID
    auth_version: int
    expires_at: datetime


class SessionStanding(NamedTuple):
    """The user of a session."""

    is_active: bool
    auth_version: int
