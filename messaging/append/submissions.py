"""Submissions: messages to be appended. The socket and REST create them; `decide` judges them. Pure."""

import hashlib
import itertools
import secrets
from collections.abc import Sequence
from functools import cache
from uuid import UUID

import msgspec

from accounts.schema import Principal
from foundation.schema import CustomData
from messaging.wire.actions import Send

# The first character of keys that the server creates. Clients' keys cannot contain it, and never see it.
SERVER_KEY_MARK = "\x7f"

_canonical = msgspec.json.Encoder(order="deterministic")
# Unique to this process. A counter is appended, because a random key for each submission would cost a system call.
_server_key = f"{SERVER_KEY_MARK}{secrets.token_urlsafe(16)}."
_count = itertools.count()


class Submission(msgspec.Struct, frozen=True):
    """A message to append: its room, its sender and their session, its content, and its `client_id`.

    `digests` has a digest of the content for each secret key, the current one first. It distinguishes a retry from
    another message with the same `client_id`.
    """

    room_id: UUID
    sender_id: UUID
    session_key: str
    auth_version: int
    client_id: str
    text: str
    reply_to: int | None
    data: CustomData
    digests: tuple[bytes, ...]


def submission_of(action: Send, *, sender: Principal, secret_keys: Sequence[str]) -> Submission:
    """Returns the submission of a `send`.

    If it has no `client_id`, the server gives it one, by which it can be found if the outcome of a commit is unknown.
    `secret_keys` are those of the digests, the current one first.
    """
    content = _canonical.encode((action.text, action.reply_to, action.data))
    return Submission(
        room_id=action.room,
        sender_id=sender.user.id,
        session_key=sender.session_key,
        auth_version=sender.auth_version,
        client_id=action.client_id or f"{_server_key}{next(_count)}",
        text=action.text,
        reply_to=action.reply_to,
        data=action.data,
        digests=tuple(_digest(content, key) for key in secret_keys),
    )


def shown_client_id(client_id: str) -> str | None:
    """Returns the key as clients see it, which is None if the server created it."""
    return None if client_id.startswith(SERVER_KEY_MARK) else client_id


def _digest(content: bytes, secret_key: str) -> bytes:
    """Returns a keyed digest, from which nobody without the key can guess an erased text."""
    return hashlib.blake2b(content, key=_digest_key(secret_key), digest_size=16).digest()


@cache
def _digest_key(secret_key: str) -> bytes:
    return hashlib.blake2b(secret_key.encode(), person=b"roomlog draft", digest_size=32).digest()
