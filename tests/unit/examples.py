"""Users, rooms and submissions for the tests of this folder: Alice owns, Bob is a member, Charlie is not."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from accounts.schema import Principal, User
from messaging.append.submissions import Submission, submission_of
from messaging.wire.actions import Send

AT = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)

ROOM = UUID("01990000-0000-7000-8000-000000000001")
OTHER_ROOM = UUID("01990000-0000-7000-8000-000000000002")

ALICE = User(UUID("01980000-0000-7000-8000-00000000000a"), "alice", "Alice", "", bot=False, data={})
BOB = User(UUID("01980000-0000-7000-8000-00000000000b"), "bob", "Bob", "", bot=False, data={})
CHARLIE = User(UUID("01980000-0000-7000-8000-00000000000c"), "charlie", "Charlie", "", bot=False, data={})

KEYS = ("present key", "older key")


def principal(user: User = ALICE) -> Principal:
    return Principal(user=user, session_key="s-1", session_id=UUID(int=7), auth_version=1, expires_at=AT)


def submission(
    text: str = "hi", *, room: UUID = ROOM, sender: User = ALICE, secret_keys: tuple[str, ...] = KEYS, **fields: Any
) -> Submission:
    return submission_of(Send(room=room, text=text, **fields), sender=principal(sender), secret_keys=secret_keys)
