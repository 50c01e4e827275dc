"""Model implementations of the services and selectors that an engine calls: signing in, following, membership."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from accounts.schema import Principal, User
from foundation.errors import DomainError, NotFound, Unauthenticated
from messaging.fanout.resume import Plan, plan_resume
from messaging.fanout.sweep import Changes
from messaging.selectors.handshakes import Admitted
from messaging.selectors.user_changes import render_changes
from messaging.services.follow import JoinRequest, RoomPlan, SyncRequest, SyncResult
from messaging.wire import shapes
from messaging.wire.actions import Join, Sync
from messaging.wire.shapes import Followed
from rooms.broadcast import broadcast
from rooms.errors import NotAMember
from rooms.events import MemberLeft, MemberRemoved
from rooms.schema import Head, ReadState
from tests.simulation.model_store import Membership, ModelStore, Room
from tests.unit.examples import AT

EPOCH = UUID(int=1)
MAX_MEMBERSHIPS = 2  # read at once, so few that there is often more to read


class ModelServices:
    """Each method has the name of the function that it replaces. Those that commit broadcast afterwards."""

    def __init__(self, store: ModelStore, *, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now
        self._by_name = {user.username: user for user in store.users.values()}

    # -- sessions ---------------------------------------------------------------------------------------------------

    def authenticate(self, tokens: Sequence[str]) -> list[Admitted | Unauthenticated]:
        """Returns the user whose name is the token. Their only session has the same name as its key."""
        return [self._admitted(token) if token in self._by_name else Unauthenticated() for token in tokens]

    def _admitted(self, token: str) -> Admitted:
        user = self._by_name[token]
        principal = Principal(user=user, session_key=token, session_id=user.id, auth_version=1, expires_at=AT)
        return Admitted(principal, EPOCH, self._store.versions[user.id])

    def list_changes(
        self, *, heads: Mapping[UUID, int], auth_versions: Mapping[str, int], user_versions: Mapping[UUID, int]
    ) -> Changes:
        """Returns the heads that are newer than `heads`, what concerns users, and no sessions, because none ends."""
        assert set(auth_versions.values()) <= {1}
        current = {room_id: self._store.rooms[room_id].seq for room_id in heads}
        moved = {room_id: seq for room_id, seq in current.items() if seq > heads[room_id]}
        versions = {
            user_id: version
            for user_id, after in user_versions.items()
            if (version := self._store.versions[user_id]) > after
        }
        found = self._store.list_changed_memberships(known={user_id: user_versions[user_id] for user_id in versions})
        users = render_changes(
            found[: MAX_MEMBERSHIPS + 1], known=user_versions, versions=versions, limit=MAX_MEMBERSHIPS
        )
        return Changes(moved, {}, users)

    # -- following --------------------------------------------------------------------------------------------------

    def follow_room(self, *, user_id: UUID, join: Join) -> tuple[Followed, Plan]:
        """Makes the user a member if the room is public. Raises `NotFound`."""
        room = self._store.rooms[join.room]
        if room.current_membership(user_id) is None and room.kind == "public":
            notices = self._store.add_member(room.id, user_id, by=self._store.users[user_id], at=self._now())
            broadcast(notices)
        membership = self._membership(room, user_id)
        plan = plan_resume(
            after=join.after,
            head=room.seq,
            floor=1,
            max_replay=join.max_replay,
            is_same_epoch=True,
        )
        answer = Followed(
            room=room.render(),
            membership=membership.render(),
            head=_head_of(room),
            unread=room.message_id - membership.read_id,
            resync=plan.resync,
        )
        return answer.with_messages(room.messages[-1:]) if plan.resync else answer, plan

    def resume_rooms(self, requests: Sequence[JoinRequest]) -> list[tuple[Followed, Plan] | None]:
        """Leaves to `follow_room` what the real one leaves to it: joins of others than members, and resyncs."""
        results: list[tuple[Followed, Plan] | None] = []
        for user_id, join in requests:
            is_member = self._store.rooms[join.room].current_membership(user_id) is not None
            result = self.follow_room(user_id=user_id, join=join) if is_member else None
            results.append(result if result is not None and not result[1].resync else None)
        return results

    def follow_rooms(self, requests: Sequence[SyncRequest]) -> list[SyncResult]:
        return [self._follow_rooms(*request) for request in requests]

    def _follow_rooms(self, user_id: UUID, sync: Sync) -> SyncResult:
        answers: dict[UUID, shapes.Synced] = {}
        plans: dict[UUID, RoomPlan] = {}
        budget = sync.max_replay
        for room_id, after in sync.rooms.items():
            room = self._store.rooms[room_id]
            try:
                membership = self._membership(room, user_id)
            except DomainError as error:
                answers[room_id] = shapes.Synced(error=shapes.error_of(error))
                continue
            plan = plan_resume(after=after, head=room.seq, floor=1, max_replay=budget, is_same_epoch=True)
            budget -= plan.replayed
            plans[room_id] = RoomPlan(
                cursor=plan.cursor,
                resync=plan.resync,
                replayed=plan.replayed,
                since=membership.joined_seq,
                head=room.seq,
            )
            unread = room.message_id - membership.read_id
            answers[room_id] = shapes.Synced(head=_head_of(room), unread=unread, resync=plan.resync)
        return SyncResult(answers, plans)

    def read_messages(self, *, user_id: UUID, room_id: UUID, message_id: int, unread: bool = False) -> ReadState:
        """Raises `NotFound`, `NotAMember`."""
        room = self._store.rooms[room_id]
        membership = self._membership(room, user_id)
        state, notices = self._store.read(room, membership, message_id, unread=unread, at=self._now())
        broadcast(notices)
        return state

    # -- members ----------------------------------------------------------------------------------------------------

    def leave_room(self, *, user_id: UUID, room_id: UUID) -> None:
        """Raises `NotFound`, `NotAMember`, `LastOwner`."""
        self._membership(self._store.rooms[room_id], user_id)
        by = self._store.users[user_id]
        broadcast(self._store.end_membership(room_id, user_id, kind=MemberLeft, by=by, at=self._now()))

    def remove_member(self, room_id: UUID, user_id: UUID, *, by: User) -> None:
        broadcast(self._store.end_membership(room_id, user_id, kind=MemberRemoved, by=by, at=self._now()))

    def add_member(self, room_id: UUID, user_id: UUID, *, by: User) -> None:
        broadcast(self._store.add_member(room_id, user_id, by=by, at=self._now()))

    def _membership(self, room: Room, user_id: UUID) -> Membership:
        membership = room.current_membership(user_id)
        if membership is None:
            raise NotAMember if room.kind == "public" else NotFound("There is no such room.")
        return membership


def _head_of(room: Room) -> Head:
    return Head(seq=room.seq, message_id=room.message_id, floor=1)
