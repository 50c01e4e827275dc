"""The actions of the socket: from typed frames to services and back. Holds no rules."""

from collections.abc import Iterable, Set
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings

from foundation.errors import DomainError, LimitReached, Overloaded
from foundation.schema import timestamp
from messaging.append.decide import Verdict
from messaging.append.submissions import submission_of
from messaging.consumers.connection import Connection, handles
from messaging.fanout.feed import Follower
from messaging.selectors.messages import list_messages
from messaging.services.follow import follow_room, follow_rooms
from messaging.wire import frames
from messaging.wire.actions import History, Join, Leave, Ping, Read, Send, Sync
from messaging.wire.shapes import Pong, SyncedRooms
from rooms import services
from rooms.log import now


class ChatConsumer(Connection):
    """One socket of one user."""

    @handles(Join)
    async def join_room(self, frame: Join) -> None:
        self.check_followed({frame.room})
        goes_on = frame.after is None and frame.room in self.socket.followers
        follower = None if goes_on else self.engine.hub.hold(self.socket, frame.room)
        try:
            answer, plan = await self.run(follow_room, join=frame)
        except BaseException:
            self.engine.hub.unfollow(self.socket, frame.room)
            raise
        self.answer(frame, answer)
        since, head = answer.membership.joined_seq, answer.head.seq
        self.go_on(frame.room, follower, cursor=plan.cursor, since=since, head=head)

    @handles(Sync)
    async def sync_rooms(self, frame: Sync) -> None:
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
        self.answer(frame, SyncedRooms(answers))
        for room_id, plan in plans.items():
            self.go_on(room_id, followers.get(room_id), cursor=plan.cursor, since=plan.since, head=plan.head)

    @handles(Leave)
    async def leave_room(self, frame: Leave) -> None:
        if frame.forget:
            await self.run(services.leave_room, room_id=frame.room)
        self.engine.hub.unfollow(self.socket, frame.room)
        self.answer(frame, None)

    @handles(Send)
    async def send_message(self, frame: Send) -> None:
        await self.socket.window.acquire()
        submission = submission_of(frame, sender=self.signed_in, secret_keys=settings.ROOMLOG_DIGEST_KEYS)
        try:
            self.engine.writer.submit(submission, partial(self.answer_send, frame))
        except Overloaded:
            self.socket.window.release()
            raise

    def answer_send(self, frame: Send, verdict: Verdict) -> None:
        """Answers once the batch is committed, in one write with the first of its events, which follow at once."""
        self.socket.window.release()
        if isinstance(verdict, DomainError):
            self.socket.write_soon(frames.encode_refusal(frame.name(), frame.request_id, verdict))
        else:
            self.socket.write_soon(frames.encode_answer(frame, verdict))

    @handles(History)
    async def list_messages(self, frame: History) -> None:
        self.answer(frame, await self.run(list_messages, history=frame))

    @handles(Read)
    async def read_messages(self, frame: Read) -> None:
        fields = {"room_id": frame.room, "message_id": frame.id, "unread": frame.unread}
        self.answer(frame, await self.run(services.read_messages, **fields))

    @handles(Ping)
    async def ping(self, frame: Ping) -> None:
        self.answer(frame, Pong(timestamp(now())))

    # -- following ----------------------------------------------------------------------------------------------------

    def go_on(self, room_id: UUID, follower: Follower | None, *, cursor: int, since: int, head: int) -> None:
        """Releases `follower` to go on after `cursor`. None means that the room was followed before and goes on."""
        going = self.socket.followers.get(room_id)
        if follower is None and going is not None:
            going.since = since  # a removal before it is history, even if this process hears of it only now
            return
        if follower is None:  # the member was removed and added again in the meantime
            follower = self.engine.hub.hold(self.socket, room_id)
        self.engine.hub.release(follower, cursor=cursor, since=since, head=head)

    def check_followed(self, rooms: Set[UUID]) -> None:
        """Raises `LimitReached` if the socket would follow too many rooms with `rooms`."""
        limit = self.engine.limits.max_followed_rooms
        if len(rooms | self.socket.followers.keys()) > limit:
            raise LimitReached(f"A socket follows at most {limit} rooms.")

    def forget(self, rooms: Iterable[UUID]) -> None:
        """Stops following `rooms`."""
        for room_id in rooms:
            self.engine.hub.unfollow(self.socket, room_id)

    async def run(self, service: Any, **fields: Any) -> Any:
        """Calls a service or selector for this user, on one of the database threads."""
        return await self.engine.readers.run(service, user_id=self.signed_in.user.id, **fields)
