"""Reads what a handshake needs, for many at once. No transactions."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from accounts.schema import Principal
from accounts.tokens import check_access_tokens
from foundation.errors import Unauthenticated
from rooms.selectors import get_epoch
from rooms.user_versions import versions_by_user


class Admitted(NamedTuple):
    """The user who opens a socket, and what `hello` says besides."""

    principal: Principal
    epoch: UUID
    version: int  # of the user


def authenticate(tokens: Sequence[str]) -> list[Admitted | Unauthenticated]:
    """Returns, for each of `tokens`, in their order, the user that it admits, or the error with which it is refused.

    Three queries for any number of tokens. The errors are those that `check_access_token` raises.
    """
    outcomes = check_access_tokens(tokens)
    epoch = get_epoch()
    versions = versions_by_user(each.user.id for each in outcomes if not isinstance(each, Unauthenticated))
    return [
        each if isinstance(each, Unauthenticated) else Admitted(each, epoch, versions.get(each.user.id, 0))
        for each in outcomes
    ]
