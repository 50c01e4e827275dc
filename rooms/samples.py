"""Sample values of rooms and members, for the examples in the generated documents. Pure."""

from typing import Final
from uuid import UUID

import msgspec

from accounts.schema import User
from rooms.schema import Head, Member, ReadState, Room

AT: Final = "2026-01-02T03:04:05.678Z"
LATER: Final = "2026-01-02T04:04:05.678Z"
ROOM_ID: Final = UUID("01990000-0000-7000-8000-000000000001")
OTHER_ROOM_ID: Final = UUID("01990000-0000-7000-8000-000000000002")
ALICE, BOB = (
    User(UUID(f"01980000-0000-7000-8000-00000000000{digit}"), name.lower(), name, "", bot=False, data={})
    for digit, name in (("a", "Alice"), ("b", "Bob"))
)
ROOM: Final = Room(ROOM_ID, "private", "Tea", "", "", {}, 2, AT, None, 0)
HEAD: Final = Head(seq=57, message_id=42, floor=1)
READ: Final = ReadState(read_id=42, unread=0)
MEMBER: Final = Member(BOB, "member", joined_seq=2, read_id=41, muted_until=None, notify="all")
MUTED_MEMBER: Final = msgspec.structs.replace(MEMBER, role="moderator", muted_until=LATER)
