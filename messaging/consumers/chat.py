"""The socket's actions: from typed frames to services, and back. Holds no rules."""

from collections.abc import Iterable, Set
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from djangochannelsrestframework.decorators import action

from foundation.errors import DomainError, LimitReached, Overloaded
from foundation.schema import timestamp
from messaging.append.decide import Verdict
from messaging.append.submissions import draft_of
from messaging.consumers.connection import Connection
from messaging.fanout.feed import Follower
from messaging.selectors.messages import list_messages
from messaging.services.follow import follow_room, follow_rooms
from messaging.wire import frames, shapes
from messaging.wire.actions import History, Join, Leave, Ping, Read, RequestId, Send, Sync
from rooms import services
from rooms.log import now


class ChatConsumer(Connection):
    """One socket of one user."""

    @action(name="join")  # type: ignore[untyped-decorator]
    async def join_room(self, frame: Join, request_id: RequestId | None, **kwargs: Any) -> None:
        self.check_followed({frame.room})
        goes_on = frame.after is None and frame.room in self.socket.followers
        follower = None if goes_on else self.engine.hub.hold(self.socket, frame.room)
        try:
            answer, plan = await self.run(follow_room, join=frame)
        except BaseException:
            self.engine.hub.unfollow(self.socket, frame.room)
            raise
        self.answer("join", request_id, 200, answer)
        since, head = answer.membership.joined_seq, answer.head.seq
        self.go_on(frame.room, follower, cursor=plan.cursor, since=since, head=head)

    @action(name="sync")  # type: ignore[untyped-decorator]
    async def sync_rooms(self, frame: Sync, request_id: RequestId | None, **kwargs: Any) -> None:
        self.check_followed(frame.rooms.keys())
        followers = {
            room_id: self.engine.hub.hold(self.socket, room_id)
            for room_id, after in frame.rooms.items()
            if after is not None or room_id not in self.socket.followers
        }
        try:
            answers, plans = await self.run(follow_rooms, sync=frame)
        except BaseException:
            self.forget(frame.rooms)
            raise
        self.forget(frame.rooms.keys() - plans.keys())
        self.answer("sync", request_id, 200, shapes.SyncedRooms(answers))
        for room_id, plan in plans.items():
            self.go_on(room_id, followers.get(room_id), cursor=plan.cursor, since=plan.since, head=plan.head)

    def go_on(self, room_id: UUID, follower: Follower | None, *, cursor: int, since: int, head: int) -> None:
        """Release `follower`; without one the room was followed already, and is from where it stands."""
        going = self.socket.followers.get(room_id)
        if follower is None and going is not None:
            going.since = since  # a removal before it is history, though it may be heard only now
            return
        if follower is None:  # removed and added again meanwhile
            follower = self.engine.hub.hold(self.socket, room_id)
        self.engine.hub.release(follower, cursor=cursor, since=since, head=head)

    def check_followed(self, rooms: Set[UUID]) -> None:
        """Raises `LimitReached` where with `rooms` there would be too many."""
        limit = self.engine.limits.max_followed_rooms
        if len(rooms | self.socket.followers.keys()) > limit:
            raise LimitReached(f"A socket follows at most {limit} rooms.")

    def forget(self, rooms: Iterable[UUID]) -> None:
        for room_id in rooms:
            self.engine.hub.unfollow(self.socket, room_id)

    @action(name="leave")  # type: ignore[untyped-decorator]
    async def leave_room(self, frame: Leave, **kwargs: Any) -> tuple[None, int]:
        if frame.forget:
            await self.run(services.leave_room, room_id=frame.room)
        self.engine.hub.unfollow(self.socket, frame.room)
        return None, 200

    @action(name="send")  # type: ignore[untyped-decorator]
    async def send_message(self, frame: Send, request_id: RequestId | None, **kwargs: Any) -> None:
        assert self.principal is not None  # noqa: S101 - as `Admitted` has seen to
        await self.socket.window.enter()
        draft = draft_of(frame, sender=self.principal, secret_keys=settings.ROOMLOG_DIGEST_KEYS)
        try:
            self.engine.writer.submit(draft, partial(self.answer_send, request_id))
        except Overloaded:
            self.socket.window.leave()
            raise

    def answer_send(self, request_id: RequestId | None, verdict: Verdict) -> None:
        """The events of the batch follow at once: the answer waits for them, and goes in one write with the first."""
        self.socket.window.leave()
        if isinstance(verdict, DomainError):
            reply = frames.encode_refusal("send", request_id, verdict)
        else:
            reply = frames.encode_reply("send", request_id, 201, verdict, [])
        self.socket.write_soon(reply)

    @action(name="history")  # type: ignore[untyped-decorator]
    async def list_messages(self, frame: History, **kwargs: Any) -> tuple[object, int]:
        return await self.run(list_messages, history=frame), 200

    @action(name="read")  # type: ignore[untyped-decorator]
    async def read_messages(self, frame: Read, **kwargs: Any) -> tuple[object, int]:
        fields = {"room_id": frame.room, "message_id": frame.id, "unread": frame.unread}
        return await self.run(services.read_messages, **fields), 200

    @action(name="ping")  # type: ignore[untyped-decorator]
    async def ping(self, frame: Ping, **kwargs: Any) -> tuple[object, int]:
        return shapes.Pong(timestamp(now())), 200

    async def run(self, service: Any, **fields: Any) -> Any:
        """Call a service or selector for this user, on a thread of the database's."""
        assert self.principal is not None  # noqa: S101
        return await self.engine.readers.run(service, user_id=self.principal.user.id, **fields)
