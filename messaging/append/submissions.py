"""A message on its way into the log: who says what, under which key. Made at both edges, judged in `decide`."""

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

# Keys from the server begin with a character that a client's may not hold, so that they are never shown.
SERVER_KEY_MARK = "\x7f"

_canonical = msgspec.json.Encoder(order="deterministic")
# Unlike any other process's, and counted on: a random number for each draft would be a system call.
_server_key = f"{SERVER_KEY_MARK}{secrets.token_urlsafe(16)}."
_count = itertools.count()


class Draft(msgspec.Struct, frozen=True):
    """`digests` is the content's digest under each secret key, the present one first."""

    room_id: UUID
    sender_id: UUID
    session_key: str
    auth_version: int
    client_id: str
    text: str
    reply_to: int | None
    data: CustomData
    digests: tuple[bytes, ...]


def draft_of(action: Send, *, sender: Principal, secret_keys: Sequence[str]) -> Draft:
    """The draft of `action`. One without a `client_id` gets one, so that a lost commit can be told from none."""
    content = _canonical.encode((action.text, action.reply_to, action.data))
    return Draft(
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
    return None if client_id.startswith(SERVER_KEY_MARK) else client_id


def _digest(content: bytes, secret_key: str) -> bytes:
    """Keyed, so that a text that was erased cannot be guessed from it."""
    return hashlib.blake2b(content, key=_digest_key(secret_key), digest_size=16).digest()


@cache
def _digest_key(secret_key: str) -> bytes:
    return hashlib.blake2b(secret_key.encode(), person=b"roomlog draft", digest_size=32).digest()
