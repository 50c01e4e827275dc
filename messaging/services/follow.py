"""What must be read before a socket may follow rooms. One thread hop each."""

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
    """Joins the room and returns the answer to `join`, and the plan of where its follower goes on.

    Opens a transaction if the user is a new member. Raises what `join_room` raises.
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
    """A plan together with the seqs that a follower needs: since when the user is a member, and the head."""

    since: int
    head: int


def follow_rooms(*, user_id: UUID, sync: Sync) -> tuple[dict[UUID, shapes.Synced], dict[UUID, RoomPlan]]:
    """Returns the answers to `sync`, and a plan for each room that the user may follow. At most three queries.

    A room that the user may not follow has its error in the answers and no plan.
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
    """Whether the client knows this history. A client that names no epoch is taken to."""
    return claimed is None or claimed == get_epoch()
