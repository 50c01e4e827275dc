"""The database side of an append, with all SQL of the hot path. Decides nothing."""

from collections.abc import Collection, Sequence, Set
from datetime import datetime
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connections, transaction

from accounts.schema import User
from foundation.schema import timestamp
from foundation.sql import Columns, Query, SqlRow, as_moment, as_uuid, run_on_postgresql
from messaging.append.decide import Decision, Key, Known, SenderStanding, State, key_of
from messaging.append.rows import CursorRow, EntryRow, HeadRow, MessageRow, entry_row, message_row
from messaging.append.submissions import Submission
from messaging.wire.events import MessageCreated
from messaging.wire.shapes import Sent
from rooms import models
from rooms.schema import LockedHead

# `BEGIN IMMEDIATE` has locked the database already on SQLite, which has no row locks.
_HEADS = Query(
    """
    SELECT h.room_id, h.seq, h.message_id FROM input JOIN rooms_head h ON h.room_id = input.room_id
    ORDER BY h.room_id
    """,
    room_id="uuid",
)
_LOCK_ALL_HEADS = _HEADS.extended(postgresql=" FOR NO KEY UPDATE OF h")
_LOCK_FREE_HEADS = _HEADS.extended(postgresql=" FOR NO KEY UPDATE OF h SKIP LOCKED")

_STANDINGS = Query(
    """
    SELECT input.position, u.username, u.display_name, u.avatar_url, u.is_bot,
           u.is_active AND u.auth_version = input.auth_version AND s.session_key IS NOT NULL,
           r.kind = 'public', coalesce(m.muted_until > input.at, FALSE), r.archived_at IS NOT NULL,
           m.role, coalesce(m.read_id, 0)
    FROM input
    JOIN rooms_room r ON r.id = input.room_id
    JOIN accounts_user u ON u.id = input.user_id
    LEFT JOIN accounts_session s
      ON s.session_key = input.session_key AND s.user_id = u.id AND s.expire_date > input.at
    LEFT JOIN rooms_membership m ON m.room_id = r.id AND m.user_id = u.id AND m.left_seq IS NULL
    """,
    position="int", room_id="uuid", user_id="uuid", session_key="text", auth_version="int", at="timestamptz",
)  # fmt: skip

_KNOWN = Query(
    """
    SELECT input.position, m.digest, m.id, m.seq, m.created_at
    FROM input
    JOIN messaging_message m
      ON m.room_id = input.room_id AND m.sender_id = input.sender_id AND m.client_id = input.client_id
    """,
    position="int", room_id="uuid", sender_id="uuid", client_id="text",
)  # fmt: skip

_MESSAGE, _ENTRY, _HEAD, _CURSOR = map(Columns.of, (MessageRow, EntryRow, HeadRow, CursorRow))

_SQLITE_CHANGES = (
    (_MESSAGE, f"INSERT INTO messaging_message ({_MESSAGE.names}) VALUES {_MESSAGE.marks}"),  # noqa: S608 - no input
    (_ENTRY, f"INSERT INTO rooms_entry ({_ENTRY.names}) VALUES {_ENTRY.marks}"),  # noqa: S608
    (_HEAD, "UPDATE rooms_head SET seq = ?, message_id = ? WHERE room_id = ?"),
    (_CURSOR, "UPDATE rooms_membership SET read_id = ? WHERE room_id = ? AND user_id = ? AND read_id = ?"),
)
# The same four changes in one statement. Entries and heads are derived from the messages.
_POSTGRESQL_CHANGES = f"""
WITH new AS MATERIALIZED (SELECT {_MESSAGE.selected} FROM {_MESSAGE.recordset} AS given), messages AS (
    INSERT INTO messaging_message ({_MESSAGE.names}) SELECT {_MESSAGE.names} FROM new
), entries AS (
    INSERT INTO rooms_entry ({_ENTRY.names})
    SELECT room_id, seq, '{MessageCreated.name()}', sender_id, id, created_at FROM new
), heads AS (
    UPDATE rooms_head SET seq = top.seq, message_id = top.id
    FROM (SELECT room_id, max(seq) AS seq, max(id) AS id FROM new GROUP BY room_id) AS top
    WHERE rooms_head.room_id = top.room_id
), moved AS {_CURSOR.recordset}
UPDATE rooms_membership m SET read_id = moved.read_id FROM moved
WHERE m.room_id = moved.room_id AND m.user_id = moved.user_id AND m.read_id = moved.was
"""  # noqa: S608 - no input in it

_SenderKey = tuple[UUID, UUID, str, int]  # room, user, session, auth_version


class DatabaseStore:
    """The store that servers use. Simulations have one in memory."""

    def transaction(self) -> transaction.Atomic:
        """Returns a durable transaction. Call the other methods inside it."""
        return transaction.atomic(durable=True)

    def lock_heads(self, room_ids: Set[UUID], *, skip_locked: bool) -> tuple[dict[UUID, LockedHead], frozenset[UUID]]:
        """Locks the heads of the rooms, in sorted order, until the end of the transaction.

        Waits for heads that other transactions hold, or leaves them out if `skip_locked`. Returns the heads, and the
        rooms that were left out; a room in neither does not exist. One query, and one more if `skip_locked` and some
        heads are missing. Raises Django's database errors.
        """
        query = _LOCK_FREE_HEADS if skip_locked else _LOCK_ALL_HEADS
        rows = query.run([(room_id,) for room_id in sorted(room_ids)])
        heads = {as_uuid(room_id): LockedHead(seq, message_id) for room_id, seq, message_id in rows}
        missing = room_ids - heads.keys() if skip_locked else None
        return heads, frozenset(_existing(missing)) if missing else frozenset()

    def read_state(
        self,
        submissions: Sequence[Submission],
        *,
        heads: dict[UUID, LockedHead],
        busy: frozenset[UUID],
        at: datetime,
    ) -> State:
        """Returns everything that `decide` needs to judge `submissions` at the time `at`.

        Two queries for any number of submissions. Each has a snapshot that is newer than the lock.
        """
        senders: dict[_SenderKey, int] = {}  # each sender is looked up once in each room
        sender_of = [senders.setdefault(_sender_key(submission), len(senders)) for submission in submissions]
        standings = _STANDINGS.run([(position, *sender, at) for sender, position in senders.items()])
        known = _KNOWN.run(
            [
                (position, submission.room_id, submission.sender_id, submission.client_id)
                for position, submission in enumerate(submissions)
            ]
        )
        by_sender = _standings(standings, list(senders))
        return State(
            heads=heads,
            busy=busy,
            standings=[by_sender.get(position) for position in sender_of],
            known=_known(known, submissions),
        )

    def write(self, state: State, decision: Decision) -> None:
        """Inserts the accepted messages and their entries, and moves the heads and the senders' read cursors.

        One statement on PostgreSQL, four on SQLite, for any number of messages; none if nothing was accepted.
        """
        if not decision.accepted:
            return
        database = connections[DEFAULT_DB_ALIAS]
        messages = [message_row(accepted, decision.at) for accepted in decision.accepted]
        cursors = [
            CursorRow(read_id=end, room_id=room_id, user_id=user_id, was=start)
            for (room_id, user_id), (start, end) in sorted(decision.cursors.items())
        ]
        with database.wrap_database_errors:
            if database.vendor == "postgresql":
                run_on_postgresql(
                    database.connection,
                    _POSTGRESQL_CHANGES,
                    _MESSAGE.for_postgresql(messages),
                    _CURSOR.for_postgresql(cursors),
                )
                return
            entries = [entry_row(message) for message in messages]
            heads = [
                HeadRow(state.heads[room_id].seq, state.heads[room_id].message_id, room_id)
                for room_id in sorted({message.room_id for message in messages})
            ]
            changes: tuple[Sequence[SqlRow], ...] = (messages, entries, heads, cursors)
            for (columns, sql), rows in zip(_SQLITE_CHANGES, changes, strict=True):
                database.connection.executemany(sql, columns.for_sqlite(rows))


def _sender_key(submission: Submission) -> _SenderKey:
    return submission.room_id, submission.sender_id, submission.session_key, submission.auth_version


def _standings(found: Sequence[SqlRow], senders: Sequence[_SenderKey]) -> dict[int, SenderStanding]:
    """Returns the standings by index in `senders`."""
    standings = {}
    for position, username, display_name, avatar_url, bot, *facts, role, read_id in found:
        is_current, is_public, is_muted, is_archived = map(bool, facts)
        sender = User(
            id=senders[position][1],
            username=username,
            display_name=display_name or username,
            avatar_url=avatar_url,
            bot=bool(bot),
            data={},
        )
        standings[position] = SenderStanding(sender, is_current, is_public, role, is_muted, is_archived, read_id)
    return standings


def _known(found: Sequence[SqlRow], submissions: Sequence[Submission]) -> dict[Key, Known]:
    known = {}
    for position, digest, message_id, seq, created_at in found:
        submission = submissions[position]
        sent = Sent(room=submission.room_id, id=message_id, seq=seq, created_at=timestamp(as_moment(created_at)))
        known[key_of(submission)] = Known(digest=bytes(digest), sent=sent)
    return known


def _existing(room_ids: Collection[UUID]) -> set[UUID]:
    return set(models.Head.objects.filter(room_id__in=room_ids).values_list("room_id", flat=True))
