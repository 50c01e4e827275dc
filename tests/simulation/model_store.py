"""A model of the database: rooms, members, logs and messages in memory, under the same rules.

`ModelStore` implements the store that `messaging.append` needs, and what `ModelServices` needs of the other tables.
Each method runs in one step of the loop, and therefore acts as one transaction.
"""

from collections.abc import Mapping, Sequence, Set
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from accounts.schema import User
from foundation.schema import timestamp
from messaging.append.decide import Decision, Key, Known, SenderStanding, State, key_of
from messaging.append.submissions import Submission, shown_client_id
from messaging.fanout.pages import EntryPage
from messaging.wire.registry import LOG_EVENTS
from messaging.wire.shapes import Message, Sent, sender_of
from rooms import schema as shapes
from rooms.errors import LastOwner
from rooms.events import MemberChange, MemberEvent, MemberJoined, ReadMoved, RoomAdded
from rooms.notices import Notice, RoomNotice, render_entry, user_notice
from rooms.permissions import Role
from rooms.schema import LockedHead
from rooms.selectors import ChangedMembership

# The kinds of entries that end the follow of the user they are about.
EVICTIONS = frozenset(name for name, kind in LOG_EVENTS.items() if kind.evicts)


@dataclass
class Membership:
    """A user in a room. It remains after the user has left, with `left_seq` set."""

    user: User
    role: shapes.RoleName
    joined_seq: int
    read_id: int
    left_seq: int | None = None
    left_at: datetime | None = None
    # The last changes that the user receives: an addition, and a `read`.
    added: "Change | None" = None
    read: "Change | None" = None

    def render(self) -> shapes.Member:
        return shapes.Member(
            user=self.user,
            role=self.role,
            joined_seq=self.joined_seq,
            read_id=self.read_id,
            muted_until=None,
            notify="all",
        )


@dataclass(frozen=True)
class Change:
    """A change that concerns a user, and the read cursor that it left."""

    version: int
    at: datetime
    read_id: int


@dataclass(frozen=True)
class Entry:
    """A row of the log, about a message or a user."""

    kind: str
    actor: User
    at: datetime
    message_id: int | None = None
    user_id: UUID | None = None


@dataclass
class Room:
    id: UUID
    kind: shapes.Kind
    created_at: datetime
    seq: int = 0
    message_id: int = 0
    memberships: dict[UUID, Membership] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    known: dict[Key, Known] = field(default_factory=dict)

    def current_membership(self, user_id: UUID) -> Membership | None:
        """Returns the membership of a user, or None if they are not a member now."""
        membership = self.memberships.get(user_id)
        return membership if membership is not None and membership.left_seq is None else None

    def render(self) -> shapes.Room:
        return shapes.Room(
            id=self.id,
            kind=self.kind,
            name=self.kind,
            topic="",
            avatar_url="",
            data={},
            member_count=sum(membership.left_seq is None for membership in self.memberships.values()),
            created_at=timestamp(self.created_at),
            archived_at=None,
            slow_mode_s=0,
        )

    def insert(self, entry: Entry, *, seq: int) -> None:
        """Inserts a row into the log. Fails if `seq` is not the next one."""
        assert seq == len(self.entries) + 1, f"seq {seq} after {len(self.entries)} entries"
        self.entries.append(entry)

    def notice(self, seq: int) -> RoomNotice:
        """Returns entry `seq`, with its message or member as they are now."""
        entry = self.entries[seq - 1]
        return render_entry(
            LOG_EVENTS[entry.kind],
            room_id=self.id,
            seq=seq,
            at=entry.at,
            actor_id=entry.actor.id,
            data=self._subject(entry),
            user_id=entry.user_id,
            message_id=entry.message_id,
        )

    def _subject(self, entry: Entry) -> Message | MemberChange:
        if entry.message_id is not None:
            return self.messages[entry.message_id - 1]
        assert entry.user_id is not None
        return MemberChange(member=self.memberships[entry.user_id].render(), by=entry.actor)


class ModelStore:
    """No session ends, nobody is muted, and no room is archived."""

    def __init__(self, users: Sequence[User]) -> None:
        self.users = {user.id: user for user in users}
        self.versions = {user.id: 0 for user in users}
        self.rooms: dict[UUID, Room] = {}

    # -- the `Store` of `Appender` ----------------------------------------------------------------------------------

    def transaction(self) -> AbstractContextManager[Any]:
        return nullcontext()

    def lock_heads(self, room_ids: Set[UUID], *, skip_locked: bool) -> tuple[dict[UUID, LockedHead], frozenset[UUID]]:
        rooms = [self.rooms[room_id] for room_id in room_ids if room_id in self.rooms]
        return {room.id: LockedHead(room.seq, room.message_id) for room in rooms}, frozenset()

    def read_state(
        self,
        submissions: Sequence[Submission],
        *,
        heads: dict[UUID, LockedHead],
        busy: frozenset[UUID],
        at: datetime,
    ) -> State:
        keys = {key_of(submission) for submission in submissions}
        return State(
            heads=heads,
            busy=busy,
            standings=[self._standing(submission) for submission in submissions],
            known={key: self.rooms[id].known[key] for id in heads for key in keys & self.rooms[id].known.keys()},
        )

    def write(self, state: State, decision: Decision) -> None:
        for row in decision.accepted:
            submission, room = row.submission, self.rooms[row.submission.room_id]
            assert row.id == len(room.messages) + 1
            assert key_of(submission) not in room.known
            at = timestamp(decision.at)
            room.insert(Entry("message.created", row.sender, decision.at, message_id=row.id), seq=row.seq)
            room.messages.append(
                Message(
                    room=room.id,
                    id=row.id,
                    seq=row.seq,
                    sender=sender_of(row.sender),
                    text=submission.text,
                    client_id=shown_client_id(submission.client_id),
                    reply_to=submission.reply_to,
                    data=submission.data,
                    created_at=at,
                )
            )
            sent = Sent(room=room.id, id=row.id, seq=row.seq, created_at=at)
            room.known[key_of(submission)] = Known(digest=submission.digests[0], sent=sent)
            room.seq, room.message_id = state.heads[room.id].seq, state.heads[room.id].message_id
        for (room_id, user_id), (start, end) in decision.cursors.items():
            membership = self.rooms[room_id].memberships[user_id]
            if membership.read_id == start:
                membership.read_id = end

    def _standing(self, submission: Submission) -> SenderStanding | None:
        room = self.rooms.get(submission.room_id)
        if room is None:
            return None
        membership = room.current_membership(submission.sender_id)
        return SenderStanding(
            sender=self.users[submission.sender_id],
            is_current=True,
            is_public=room.kind == "public",
            role=Role[membership.role.upper()] if membership else None,
            is_muted=False,
            is_archived=False,
            read_id=membership.read_id if membership else 0,
        )

    # -- members ----------------------------------------------------------------------------------------------------

    def make_room(self, room_id: UUID, kind: shapes.Kind, users: Sequence[User], *, at: datetime) -> None:
        """Makes a room with `users` as members. The first of them is its owner."""
        self.rooms[room_id] = Room(room_id, kind, created_at=at)
        for user in users:
            self.add_member(room_id, user.id, by=users[0], at=at)

    def add_member(self, room_id: UUID, user_id: UUID, *, by: User, at: datetime) -> list[Notice]:
        """Makes a user a member, which they must not be yet. Returns the notices to broadcast."""
        room = self.rooms[room_id]
        assert room.current_membership(user_id) is None
        seq = self._append(room, Entry(MemberJoined.name(), by, at, user_id=user_id))
        role: shapes.RoleName = "member" if room.memberships else "owner"
        membership = Membership(self.users[user_id], role, joined_seq=seq, read_id=room.message_id)
        room.memberships[user_id] = membership
        if user_id == by.id:
            return [room.notice(seq)]
        membership.added = self._raise_version(membership, at=at)
        added = user_notice(user_id, membership.added.version, RoomAdded(room=room.id, data=room.render()))
        return [room.notice(seq), added]

    def end_membership(
        self, room_id: UUID, user_id: UUID, *, kind: type[MemberEvent], by: User, at: datetime
    ) -> list[Notice]:
        """Ends a membership, and returns the notices to broadcast. Raises `LastOwner`."""
        room = self.rooms[room_id]
        membership = room.current_membership(user_id)
        assert membership is not None
        if membership.role == "owner":
            raise LastOwner
        membership.left_seq = self._append(room, Entry(kind.name(), by, at, user_id=user_id))
        membership.left_at = at
        return [room.notice(membership.left_seq)]

    def read(
        self, room: Room, membership: Membership, message_id: int, *, unread: bool, at: datetime
    ) -> tuple[shapes.ReadState, list[Notice]]:
        """Moves a read cursor. Returns where it is, and the notices to broadcast."""
        moves = message_id > membership.read_id or (unread and message_id < membership.read_id)
        if moves:
            membership.read_id = message_id
            membership.read = self._raise_version(membership, at=at)
        state = self._read_state(room, membership)
        if not moves or membership.read is None:
            return state, []
        moved = ReadMoved(room=room.id, data=state)
        return state, [user_notice(membership.user.id, membership.read.version, moved)]

    def _raise_version(self, membership: Membership, *, at: datetime) -> Change:
        self.versions[membership.user.id] += 1
        return Change(self.versions[membership.user.id], at, membership.read_id)

    def _read_state(self, room: Room, membership: Membership) -> shapes.ReadState:
        return shapes.ReadState(read_id=membership.read_id, unread=room.message_id - membership.read_id)

    def _append(self, room: Room, entry: Entry) -> int:
        room.insert(entry, seq=room.seq + 1)
        room.seq += 1
        return room.seq

    # -- reads ------------------------------------------------------------------------------------------------------

    def read_page(self, *, room_id: UUID, after: int, limit: int) -> EntryPage:
        room = self.rooms[room_id]
        last = min(room.seq, after + limit)
        return EntryPage(floor=1, notices=[room.notice(seq) for seq in range(after + 1, last + 1)])

    def list_changed_memberships(self, *, known: Mapping[UUID, int]) -> list[ChangedMembership]:
        """Returns every present membership that changed for its user after the versions given in `known`."""
        found = []
        for room in self.rooms.values():
            for user_id in known.keys() & room.memberships.keys():
                membership = room.memberships[user_id]
                added, read = (change.version if change else 0 for change in (membership.added, membership.read))
                unknown = [version for version in (added, read) if version > known[user_id]]
                if membership.left_seq is None and unknown:
                    state = self._read_state(room, membership)
                    found.append(ChangedMembership(user_id, room.render(), state, min(unknown), added, read))
        return sorted(found, key=lambda changed: (changed.user_id, changed.first_version))

    # -- queries for the checks of the simulation -------------------------------------------------------------------

    def joined_seq(self, room_id: UUID, user_id: UUID, *, head: int) -> int:
        """Returns the seq at which the membership began that the user had when the head was `head`."""
        entries = self.rooms[room_id].entries[:head]
        return max(
            seq
            for seq, entry in enumerate(entries, start=1)
            if entry.kind == "member.joined" and entry.user_id == user_id
        )

    def removals(self, room_id: UUID, user_id: UUID, *, after: int) -> list[int]:
        """Returns the seqs after `after` at which the user left or was removed."""
        entries = self.rooms[room_id].entries[after:]
        return [
            seq
            for seq, entry in enumerate(entries, start=after + 1)
            if entry.kind in EVICTIONS and entry.user_id == user_id
        ]
