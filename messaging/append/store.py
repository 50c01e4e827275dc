"""The I/O of an append: reads the state after the lock, writes what was decided. All the SQL of the hot path.

Every function wants the transaction that locked the heads.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from accounts.schema import User
from foundation.schema import timestamp
from foundation.sql import Query, Row, as_moment, as_uuid, bound_moment, recordset, run_on_postgresql
from messaging.append.decide import Decision, Head, Key, Known, Standing, State, key_of
from messaging.append.submissions import Draft
from messaging.wire.shapes import Sent
from rooms import models

# `BEGIN IMMEDIATE` has locked already on SQLite, which knows no row locks.
_HEADS = Query(
    """
    SELECT h.room_id, h.seq, h.message_id FROM input JOIN rooms_head h ON h.room_id = input.room_id
    ORDER BY h.room_id
    """,
    room_id="uuid",
)
_LOCKED_HEADS = _HEADS.extended(postgresql=" FOR NO KEY UPDATE OF h")
_UNLOCKED_HEADS = _HEADS.extended(postgresql=" FOR NO KEY UPDATE OF h SKIP LOCKED")

_STANDINGS = Query(
    """
    SELECT input.place, u.username, u.display_name, u.avatar_url, u.is_bot,
           u.is_active AND u.auth_version = input.auth_version AND s.session_key IS NOT NULL,
           r.kind = 'public', m.room_id IS NOT NULL, coalesce(m.muted_until > input.at, FALSE),
           r.archived_at IS NOT NULL, coalesce(m.read_id, 0)
    FROM input
    JOIN rooms_room r ON r.id = input.room_id
    JOIN accounts_user u ON u.id = input.user_id
    LEFT JOIN accounts_session s
      ON s.session_key = input.session_key AND s.user_id = u.id AND s.expire_date > input.at
    LEFT JOIN rooms_membership m ON m.room_id = r.id AND m.user_id = u.id AND m.left_seq IS NULL
    """,
    place="int", room_id="uuid", user_id="uuid", session_key="text", auth_version="int", at="timestamptz",
)  # fmt: skip

_KNOWN = Query(
    """
    SELECT input.place, m.digest, m.id, m.seq, m.created_at
    FROM input
    JOIN messaging_message m
      ON m.room_id = input.room_id AND m.sender_id = input.sender_id AND m.client_id = input.client_id
    """,
    place="int", room_id="uuid", sender_id="uuid", client_id="text",
)  # fmt: skip

_NEW_MESSAGE = """INSERT INTO messaging_message
(room_id, id, seq, sender_id, text, reply_to, data, client_id, digest, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_NEW_ENTRY = """INSERT INTO rooms_entry
(room_id, seq, kind, actor_id, message_id, at) VALUES (?, ?, 'message.created', ?, ?, ?)
"""
_MOVED_HEAD = "UPDATE rooms_head SET seq = ?, message_id = ? WHERE room_id = ?"
_MOVED_CURSOR = "UPDATE rooms_membership SET read_id = ? WHERE room_id = ? AND user_id = ? AND read_id = ?"

# The same four changes in one statement, from the messages and the cursors.
_ALL_CHANGES = f"""
WITH new AS MATERIALIZED (SELECT * FROM {
    recordset(
        room_id="uuid",
        id="bigint",
        seq="bigint",
        sender_id="uuid",
        text="text",
        reply_to="bigint",
        data="text",
        client_id="text",
        digest="text",
        created_at="timestamptz",
    )
}), messages AS (
    INSERT INTO messaging_message (room_id, id, seq, sender_id, text, reply_to, data, client_id, digest, created_at)
    SELECT room_id, id, seq, sender_id, text, reply_to, data, client_id, decode(digest, 'hex'), created_at FROM new
), entries AS (
    INSERT INTO rooms_entry (room_id, seq, kind, actor_id, message_id, at)
    SELECT room_id, seq, 'message.created', sender_id, id, created_at FROM new
), heads AS (
    UPDATE rooms_head SET seq = top.seq, message_id = top.id
    FROM (SELECT room_id, max(seq) AS seq, max(id) AS id FROM new GROUP BY room_id) AS top
    WHERE rooms_head.room_id = top.room_id
), moved AS {recordset(room_id="uuid", user_id="uuid", read_id="bigint", was="bigint")}
UPDATE rooms_membership m SET read_id = moved.read_id FROM moved
WHERE m.room_id = moved.room_id AND m.user_id = moved.user_id AND m.read_id = moved.was
"""  # noqa: S608 - ours


Role = tuple[UUID, UUID, str, int]  # room, user, session, auth_version


class DatabaseStore:
    """The store of production. The simulation has a twin of it that keeps everything in memory."""

    def transaction(self) -> transaction.Atomic:
        return transaction.atomic(durable=True)

    def read_state(self, drafts: Sequence[Draft], *, at: datetime, skip_locked: bool) -> State:
        """Lock the heads in sorted order, then read what judges `drafts`, each query with a snapshot of its own."""
        database = connections[DEFAULT_DB_ALIAS]
        raw, key, moment = database.connection, _key_of(database), bound_moment(at)
        rooms = {draft.room_id: key(draft.room_id) for draft in drafts}
        roles: dict[Role, int] = {}  # who speaks where: each is looked up once
        role_of = [roles.setdefault(_role(draft), len(roles)) for draft in drafts]
        with database.wrap_database_errors:
            heads = (_UNLOCKED_HEADS if skip_locked else _LOCKED_HEADS).run(
                raw, [(rooms[room_id],) for room_id in sorted(rooms)]
            )
            standings = _STANDINGS.run(
                raw,
                [
                    (place, key(room_id), key(user_id), session_key, auth_version, moment)
                    for (room_id, user_id, session_key, auth_version), place in roles.items()
                ],
            )
            known = _KNOWN.run(
                raw,
                [
                    (place, key(draft.room_id), key(draft.sender_id), draft.client_id)
                    for place, draft in enumerate(drafts)
                ],
            )
        found = {as_uuid(room_id): Head(seq, message_id) for room_id, seq, message_id in heads}
        missing = rooms.keys() - found.keys()
        by_role = _standings(standings, list(roles))
        return State(
            heads=found,
            busy=frozenset(_existing(missing)) if skip_locked and missing else frozenset(),
            standings=[by_role.get(place) for place in role_of],
            known=_known(known, drafts),
        )

    def write(self, state: State, decision: Decision) -> None:
        """Insert the rows and their entries, move heads and cursors."""
        database = connections[DEFAULT_DB_ALIAS]
        if decision.rows:
            with database.wrap_database_errors:
                if database.vendor == "postgresql":
                    _write_on_postgresql(database.connection, decision)
                else:
                    _write_on_sqlite(database.connection, state, decision, moment=bound_moment(decision.at))


def _write_on_postgresql(raw: Any, decision: Decision) -> None:
    messages = [
        {
            "room_id": row.draft.room_id,
            "id": row.id,
            "seq": row.seq,
            "sender_id": row.draft.sender_id,
            "text": row.draft.text,
            "reply_to": row.draft.reply_to,
            "data": _data(row.draft),
            "client_id": row.draft.client_id,
            "digest": row.draft.digests[0].hex(),
            "created_at": decision.at,
        }
        for row in decision.rows
    ]
    cursors = [
        {"room_id": room_id, "user_id": user_id, "read_id": end, "was": start}
        for (room_id, user_id), (start, end) in sorted(decision.cursors.items())
    ]
    run_on_postgresql(raw, _ALL_CHANGES, messages, cursors)


def _write_on_sqlite(raw: Any, state: State, decision: Decision, *, moment: str) -> None:
    messages: list[Row] = []
    entries: list[Row] = []
    for row in decision.rows:
        draft = row.draft
        room, sender, data, digest = draft.room_id.hex, draft.sender_id.hex, _data(draft), draft.digests[0]
        messages.append(
            (room, row.id, row.seq, sender, draft.text, draft.reply_to, data, draft.client_id, digest, moment)
        )
        entries.append((room, row.seq, sender, row.id, moment))
    heads = [
        (state.heads[room_id].seq, state.heads[room_id].message_id, room_id.hex)
        for room_id in sorted({row.draft.room_id for row in decision.rows})
    ]
    cursors = [
        (end, room_id.hex, user_id.hex, start) for (room_id, user_id), (start, end) in sorted(decision.cursors.items())
    ]
    raw.executemany(_NEW_MESSAGE, messages)
    raw.executemany(_NEW_ENTRY, entries)
    raw.executemany(_MOVED_HEAD, heads)
    raw.executemany(_MOVED_CURSOR, cursors)


def _data(draft: Draft) -> str:
    """As `ExactJSONField` keeps it."""
    return msgspec.json.encode(draft.data).decode() if draft.data else "{}"


def _role(draft: Draft) -> Role:
    return draft.room_id, draft.sender_id, draft.session_key, draft.auth_version


def _standings(found: Sequence[Row], roles: Sequence[Role]) -> dict[int, Standing]:
    """By the place of the role."""
    standings = {}
    for place, username, display_name, avatar_url, bot, *facts, read_id in found:
        is_current, is_public, is_member, is_muted, is_archived = map(bool, facts)
        standings[place] = Standing(
            sender=User(
                id=roles[place][1],
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


def _known(found: Sequence[Row], drafts: Sequence[Draft]) -> dict[Key, Known]:
    known = {}
    for place, digest, message_id, seq, created_at in found:
        draft = drafts[place]
        sent = Sent(room=draft.room_id, id=message_id, seq=seq, created_at=timestamp(as_moment(created_at)))
        known[key_of(draft)] = Known(digest=bytes(digest), sent=sent)
    return known


def _existing(room_ids: Collection[UUID]) -> set[UUID]:
    return set(models.Head.objects.filter(room_id__in=room_ids).values_list("room_id", flat=True))


# How the drivers take ids.


def _key_of(database: BaseDatabaseWrapper) -> Callable[[UUID], Any]:
    return _same if database.vendor == "postgresql" else _hex


def _same(value: UUID) -> UUID:
    return value


def _hex(value: UUID) -> str:
    return value.hex
