"""What must be read before a socket may speak, and before it may follow. One thread hop each."""

from collections.abc import Set
from uuid import UUID

from foundation.errors import NotFound
from messaging.fanout.resume import RESYNC_MESSAGES, Plan, plan_resume
from messaging.selectors.messages import list_messages
from messaging.wire import frames, shapes
from messaging.wire.actions import History, Join, Sync
from messaging.wire.shapes import Followed
from rooms import models as rooms
from rooms import services
from rooms.errors import NotAMember
from rooms.selectors import get_epoch, list_places


def follow_room(*, user_id: UUID, join: Join) -> tuple[Followed, Plan]:
    """The answer to `join`, and where its follower goes on. Raises what `join_room` raises."""
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
    """A plan together with the seqs that a follower needs."""

    since: int
    head: int


def follow_rooms(*, user_id: UUID, sync: Sync) -> tuple[dict[UUID, shapes.Synced], dict[UUID, RoomPlan]]:
    """The answers to `sync`, room by room, and where to go on in those that may be followed. At most three queries."""
    places = list_places(user_id=user_id, room_ids=sync.rooms)
    same_epoch, budget = _is_same_epoch(sync.epoch), sync.max_replay
    answers: dict[UUID, shapes.Synced] = {}
    plans: dict[UUID, RoomPlan] = {}
    for room_id, after in sync.rooms.items():
        place = places.get(room_id)
        if place is None:
            continue
        head = place.head
        plan = plan_resume(after=after, head=head.seq, floor=head.floor, max_replay=budget, is_same_epoch=same_epoch)
        budget -= plan.replayed
        plans[room_id] = RoomPlan(
            cursor=plan.cursor,
            resync=plan.resync,
            replayed=plan.replayed,
            since=place.joined_seq,
            head=head.seq,
        )
        answers[room_id] = shapes.Synced(head=head, unread=place.unread, resync=plan.resync)
    answers |= _refusals(sync.rooms.keys() - plans.keys())
    return answers, plans


def _refusals(room_ids: Set[UUID]) -> dict[UUID, shapes.Synced]:
    if not room_ids:
        return {}
    public = set(rooms.Room.objects.filter(id__in=room_ids, kind="public").values_list("id", flat=True))
    refusals = {}
    for room_id in room_ids:
        error = NotAMember() if room_id in public else NotFound("There is no such room.")
        refusals[room_id] = shapes.Synced(error=frames.error_of(error))
    return refusals


def _is_same_epoch(claimed: UUID | None) -> bool:
    """A client that names none takes this one to be its own."""
    return claimed is None or claimed == get_epoch()
