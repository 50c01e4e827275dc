"""The I/O of an append: reads the state after the lock, writes what was decided. All the SQL of the hot path.

Row values and multi-row `VALUES` keep the number of statements fixed however large the batch is; the ORM has
neither for SQLite. Every function wants the transaction that locked the heads.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection, transaction

from accounts.schema import User, timestamp
from messaging.decide import Decision, Head, Key, Known, Row, Standing, State, key_of
from messaging.drafts import Draft
from messaging.schema import Sent
from rooms import log, models

_STANDINGS = """
WITH draft(place, room_id, user_id, session_key, auth_version) AS (VALUES {values})
SELECT draft.place, u.id, u.username, u.display_name, u.avatar_url, u.is_bot,
       u.is_active AND u.auth_version = draft.auth_version AND s.session_key IS NOT NULL,
       r.kind = 'public', m.room_id IS NOT NULL, coalesce(m.muted_until > %s, FALSE), r.archived_at IS NOT NULL,
       coalesce(m.read_id, 0)
FROM draft
JOIN rooms_room r ON r.id = draft.room_id
JOIN accounts_user u ON u.id = draft.user_id
LEFT JOIN accounts_session s ON s.session_key = draft.session_key AND s.user_id = u.id AND s.expire_date > %s
LEFT JOIN rooms_membership m ON m.room_id = r.id AND m.user_id = u.id AND m.left_seq IS NULL
"""

_KNOWN = """
WITH wanted(place, room_id, sender_id, client_id) AS (VALUES {values})
SELECT wanted.place, m.digest, m.id, m.seq, m.created_at
FROM wanted
JOIN messaging_message m
  ON m.room_id = wanted.room_id AND m.sender_id = wanted.sender_id AND m.client_id = wanted.client_id
"""

_INSERT_MESSAGE = """
INSERT INTO messaging_message (room_id, id, seq, sender_id, text, reply_to, data, client_id, digest, created_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""

_INSERT_ENTRY = """
INSERT INTO rooms_entry (room_id, seq, kind, actor_id, message_id, at)
VALUES (%s, %s, 'message.created', %s, %s, %s)
"""

_MOVE_HEAD = "UPDATE rooms_head SET seq = %s, message_id = %s WHERE room_id = %s"

_MOVE_CURSOR = "UPDATE rooms_membership SET read_id = %s WHERE room_id = %s AND user_id = %s AND read_id = %s"


class DatabaseStore:
    """The store of production. The simulation has a twin of it that keeps everything in memory."""

    def transaction(self) -> transaction.Atomic:
        return transaction.atomic(durable=True)

    def read_state(self, drafts: Sequence[Draft], *, at: datetime, skip_locked: bool) -> State:
        """Lock the heads, then read what judges `drafts`, each statement with a snapshot of its own."""
        room_ids = {draft.room_id for draft in drafts}
        heads = log.lock_heads(room_ids, skip_locked=skip_locked)
        missing = room_ids - heads.keys()
        busy = frozenset(_existing(missing)) if skip_locked and missing else frozenset()
        return State(
            heads={room_id: Head(head.seq, head.message_id) for room_id, head in heads.items()},
            busy=busy,
            standings=_read_standings(drafts, at=at),
            known=_read_known(drafts),
        )

    def write(self, state: State, decision: Decision) -> None:
        """Insert the rows and their entries, move heads and cursors."""
        rows = decision.rows
        if not rows:
            return
        touched = sorted({row.draft.room_id for row in rows})
        with connection.cursor() as cursor:
            cursor.executemany(_INSERT_MESSAGE, [_message_values(row) for row in rows])
            cursor.executemany(
                _INSERT_ENTRY,
                [
                    (
                        _uuid(row.draft.room_id),
                        row.seq,
                        _uuid(row.draft.sender_id),
                        row.id,
                        _time(row.created_at),
                    )
                    for row in rows
                ],
            )
            cursor.executemany(
                _MOVE_HEAD,
                [(state.heads[room].seq, state.heads[room].message_id, _uuid(room)) for room in touched],
            )
            if decision.cursors:
                cursor.executemany(
                    _MOVE_CURSOR,
                    [
                        (end, _uuid(room), _uuid(user), start)
                        for (room, user), (start, end) in sorted(decision.cursors.items())
                    ],
                )


def _read_standings(drafts: Sequence[Draft], *, at: datetime) -> list[Standing | None]:
    standings: list[Standing | None] = [None] * len(drafts)
    values = (
        (place, _uuid(draft.room_id), _uuid(draft.sender_id), draft.session_key, draft.auth_version)
        for place, draft in enumerate(drafts)
    )
    for row in _select(_STANDINGS, values, _time(at), _time(at)):
        place, user_id, username, display_name, avatar_url, bot, *facts, read_id = row
        is_current, is_public, is_member, is_muted, is_archived = map(bool, facts)
        standings[place] = Standing(
            sender=User(
                id=UUID(user_id) if isinstance(user_id, str) else user_id,
                username=username,
                display_name=display_name or username,
                avatar_url=avatar_url,
                bot=bool(bot),
                data={},
            ),
            is_current=is_current,
            is_public=is_public,
            is_member=is_member,
            is_muted=is_muted,
            is_archived=is_archived,
            read_id=read_id,
        )
    return standings


def _read_known(drafts: Sequence[Draft]) -> dict[Key, Known]:
    values = (
        (place, _uuid(draft.room_id), _uuid(draft.sender_id), draft.client_id) for place, draft in enumerate(drafts)
    )
    known = {}
    for place, digest, message_id, seq, created_at in _select(_KNOWN, values):
        draft = drafts[place]
        moment = created_at if created_at.tzinfo else created_at.replace(tzinfo=UTC)
        sent = Sent(room=draft.room_id, id=message_id, seq=seq, created_at=timestamp(moment))
        known[key_of(draft)] = Known(digest=bytes(digest), sent=sent)
    return known


def _existing(room_ids: Collection[UUID]) -> set[UUID]:
    return set(models.Head.objects.filter(room_id__in=room_ids).values_list("room_id", flat=True))


def _select(sql: str, values: Iterable[tuple[Any, ...]], *more: Any) -> list[tuple[Any, ...]]:
    rows = list(values)
    marks = "(" + ", ".join(["%s"] * len(rows[0])) + ")"
    with connection.cursor() as cursor:
        cursor.execute(sql.format(values=", ".join([marks] * len(rows))), [*chain.from_iterable(rows), *more])
        rows_found: list[tuple[Any, ...]] = cursor.fetchall()
    return rows_found


def _message_values(row: Row) -> tuple[Any, ...]:
    draft = row.draft
    return (
        _uuid(draft.room_id),
        row.id,
        row.seq,
        _uuid(draft.sender_id),
        draft.text,
        draft.reply_to,
        msgspec.json.encode(draft.data).decode(),  # as `ExactJSONField` keeps it
        draft.client_id,
        draft.digests[0],
        _time(row.created_at),
    )


def _uuid(value: UUID) -> Any:
    return value if connection.features.has_native_uuid_field else value.hex


def _time(value: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(value)
