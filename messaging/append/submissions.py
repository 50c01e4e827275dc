"""Submissions: messages on their way into the log. Both edges make them, `decide` judges them. Pure."""

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

# Keys made by the server begin with a character that a client's key may not hold. They are never shown.
SERVER_KEY_MARK = "\x7f"

_canonical = msgspec.json.Encoder(order="deterministic")
# Unique to this process; a counter follows it, because a random number for each submission costs a system call.
_server_key = f"{SERVER_KEY_MARK}{secrets.token_urlsafe(16)}."
_count = itertools.count()


class Submission(msgspec.Struct, frozen=True):
    """Who says what in which room, under which key.

    `digests` holds the digest of the content under each secret key, the present one first: it tells a retry from
    another message under the same `client_id`.
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
    """Returns the submission of a `send`. Without a `client_id` it gets one from the server, so that a commit whose
    outcome is unknown can be looked up.
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
    """Returns the key as clients see it: None if the server made it."""
    return None if client_id.startswith(SERVER_KEY_MARK) else client_id


def _digest(content: bytes, secret_key: str) -> bytes:
    """Keyed, so that nobody can guess an erased text from it."""
    return hashlib.blake2b(content, key=_digest_key(secret_key), digest_size=16).digest()


@cache
def _digest_key(secret_key: str) -> bytes:
    return hashlib.blake2b(secret_key.encode(), person=b"roomlog draft", digest_size=32).digest()
