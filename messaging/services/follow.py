"""Checks and reads what a socket needs in order to follow rooms. Knows no sockets."""

from uuid import UUID

from messaging.fanout.resume import RESYNC_MESSAGES, Plan, plan_resume
from messaging.selectors.messages import list_messages
from messaging.wire import shapes
from messaging.wire.actions import History, Join, Sync
from messaging.wire.shapes import Followed
from rooms import services
from rooms.access import access_rooms
from rooms.selectors import get_epoch


def follow_room(*, user_id: UUID, join: Join) -> tuple[Followed, Plan]:
    """Makes the user a member if the room is public, and returns the result of `join` and the plan for its follower.

    Opens a durable transaction if the user is not a member yet. For a member, one query, one more if `join.epoch` is
    given, and two for the messages. Raises what `join_room` raises.
    """
    joined = services.join_room(user_id=user_id, room_id=join.room)
    plan = plan_resume(
        after=join.after,
        head=joined.head.seq,
        floor=joined.head.floor,
        max_replay=join.max_replay,
        is_same_epoch=_is_same_epoch(join.epoch),
    )
    answer = Followed(
        room=joined.room,
        membership=joined.membership,
        head=joined.head,
        unread=joined.unread,
        resync=plan.resync,
    )
    limit = join.history if join.history is not None else RESYNC_MESSAGES if plan.resync else 0
    if limit:
        page = list_messages(user_id=user_id, history=History(room=join.room, limit=limit))
        answer = answer.with_messages(page.messages)
    return answer, plan


class RoomPlan(Plan, frozen=True):
    """A plan for one of several rooms, with the seq at which the user became a member, and the head's seq."""

    since: int
    head: int


def follow_rooms(*, user_id: UUID, sync: Sync) -> tuple[dict[UUID, shapes.Synced], dict[UUID, RoomPlan]]:
    """Returns the results of `sync`, by room, and a plan for the follower of each room that the user may follow.

    A room that the user may not follow has an error among the results, and no plan. `max_replay` is spent in the order
    of `sync.rooms`. At most three queries for any number of rooms; no transaction.
    """
    positions, refusals = access_rooms(user_id=user_id, room_ids=sync.rooms)
    same_epoch, budget = _is_same_epoch(sync.epoch), sync.max_replay
    answers: dict[UUID, shapes.Synced] = {}
    plans: dict[UUID, RoomPlan] = {}
    for room_id, after in sync.rooms.items():
        position = positions.get(room_id)
        if position is None:
            continue
        head = position.head
        plan = plan_resume(after=after, head=head.seq, floor=head.floor, max_replay=budget, is_same_epoch=same_epoch)
        budget -= plan.replayed
        plans[room_id] = RoomPlan(
            cursor=plan.cursor,
            resync=plan.resync,
            replayed=plan.replayed,
            since=position.joined_seq,
            head=head.seq,
        )
        answers[room_id] = shapes.Synced(head=head, unread=position.unread, resync=plan.resync)
    answers |= {room_id: shapes.Synced(error=shapes.error_of(error)) for room_id, error in refusals.items()}
    return answers, plans


def _is_same_epoch(claimed: UUID | None) -> bool:
    """Returns whether `claimed` is the epoch of the database. None counts as the same."""
    return claimed is None or claimed == get_epoch()
