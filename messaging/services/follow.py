"""Checks and reads what a socket needs in order to follow rooms. Knows no sockets."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from foundation.errors import DomainError
from messaging.fanout.resume import RESYNC_MESSAGES, Plan, plan_resume
from messaging.selectors.messages import list_messages
from messaging.wire import shapes
from messaging.wire.actions import History, Join, Sync
from messaging.wire.shapes import Followed
from rooms import services
from rooms.access import RoomPosition, access_rooms
from rooms.schema import Joined
from rooms.selectors import get_epoch, joined_by_member


def follow_room(*, user_id: UUID, join: Join) -> tuple[Followed, Plan]:
    """Makes the user a member if the room is public, and returns the result of `join` and the plan for its follower.

    Opens a durable transaction if the user is not a member yet. For a member, one query, one more if `join.epoch` is
    given, and two for the messages. Raises what `join_room` raises.
    """
    joined = services.join_room(user_id=user_id, room_id=join.room)
    answer, plan = _follow(joined, join, is_same_epoch=join.epoch is None or join.epoch == get_epoch())
    limit = join.history if join.history is not None else RESYNC_MESSAGES if plan.resync else 0
    if limit:
        page = list_messages(user_id=user_id, history=History(room=join.room, limit=limit))
        answer = answer.with_messages(page.messages)
    return answer, plan


class JoinRequest(NamedTuple):
    """A `join` and the user who sent it."""

    user_id: UUID
    join: Join


def resume_rooms(requests: Sequence[JoinRequest]) -> list[tuple[Followed, Plan] | None]:
    """Returns what `follow_room` returns, for each of `requests`, in their order, if it takes no more than to read the
    user's membership. Otherwise None: the user is not a member, or is to receive messages.

    One query for any number of requests, and one more if an epoch is given. No transaction.
    """
    found = joined_by_member({(join.room, user_id) for user_id, join in requests})
    epoch = get_epoch() if any(join.epoch for _, join in requests) else None
    results: list[tuple[Followed, Plan] | None] = []
    for user_id, join in requests:
        joined = found.get((join.room, user_id))
        result = _follow(joined, join, is_same_epoch=join.epoch in {None, epoch}) if joined else None
        results.append(None if result is None or join.history or result[1].resync else result)
    return results


def _follow(joined: Joined, join: Join, *, is_same_epoch: bool) -> tuple[Followed, Plan]:
    """Returns the result of `join` without messages, and the plan for its follower."""
    plan = plan_resume(
        after=join.after,
        head=joined.head.seq,
        floor=joined.head.floor,
        max_replay=join.max_replay,
        is_same_epoch=is_same_epoch,
    )
    answer = Followed(
        room=joined.room,
        membership=joined.membership,
        head=joined.head,
        unread=joined.unread,
        resync=plan.resync,
    )
    return answer, plan


class RoomPlan(Plan, frozen=True):
    """A plan for one of several rooms, with the seq at which the user became a member, and the head's seq."""

    since: int
    head: int


class SyncRequest(NamedTuple):
    """A `sync` and the user who sent it."""

    user_id: UUID
    sync: Sync


class SyncResult(NamedTuple):
    """The results of a `sync`, by room, and a plan for the follower of each room that the user may follow."""

    answers: dict[UUID, shapes.Synced]
    plans: dict[UUID, RoomPlan]


def follow_rooms(requests: Sequence[SyncRequest]) -> list[SyncResult]:
    """Returns the result of each request, in their order.

    A room that the user may not follow has an error among the answers, and no plan. `max_replay` is spent in the order
    of `sync.rooms`. At most three queries for any number of requests and rooms; no transaction.
    """
    access = access_rooms([(user_id, sync.rooms.keys()) for user_id, sync in requests])
    epoch = get_epoch() if any(sync.epoch for _, sync in requests) else None
    return [
        _sync(request.sync, found, is_same_epoch=request.sync.epoch in {None, epoch})
        for request, found in zip(requests, access, strict=True)
    ]


def _sync(sync: Sync, found: Mapping[UUID, RoomPosition | DomainError], *, is_same_epoch: bool) -> SyncResult:
    budget = sync.max_replay
    result = SyncResult({}, {})
    for room_id, after in sync.rooms.items():
        position = found[room_id]
        if isinstance(position, DomainError):
            result.answers[room_id] = shapes.Synced(error=shapes.error_of(position))
            continue
        head = position.head
        plan = plan_resume(after=after, head=head.seq, floor=head.floor, max_replay=budget, is_same_epoch=is_same_epoch)
        budget -= plan.replayed
        result.plans[room_id] = RoomPlan(
            cursor=plan.cursor,
            resync=plan.resync,
            replayed=plan.replayed,
            since=position.joined_seq,
            head=head.seq,
        )
        result.answers[room_id] = shapes.Synced(head=head, unread=position.unread, resync=plan.resync)
    return result
