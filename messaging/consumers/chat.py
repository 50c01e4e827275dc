"""The actions of a socket: each calls a service or a selector, and answers. Holds no rules."""

from collections.abc import Iterable, Set
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings

from foundation.errors import DomainError, LimitReached, NotFound, Overloaded
from foundation.schema import timestamp
from messaging.append.decide import Verdict
from messaging.append.submissions import submission_of
from messaging.consumers.connection import Connection, handles
from messaging.fanout.feed import Follower
from messaging.fanout.resume import Plan
from messaging.selectors.messages import list_messages
from messaging.services.follow import JoinRequest, SyncRequest, follow_room
from messaging.wire import frames
from messaging.wire.actions import History, Join, Leave, Ping, Read, Send, Sync
from messaging.wire.shapes import Followed, Pong, SyncedRooms
from rooms import services
from rooms.errors import NotAMember
from rooms.log import now


class ChatConsumer(Connection):
    """A socket of a user, with its actions."""

    @handles(Join)
    async def join_room(self, frame: Join) -> None:
        self.check_followed({frame.room})
        keeps_following = frame.after is None and frame.room in self.socket.followers
        # Held before the head is read, so that no entry is lost in between.
        follower = None if keeps_following else self.engine.hub.hold(self.socket, frame.room)
        try:
            answer, plan = await self.follow_room(frame)
        except BaseException as error:
            if follower is not None:  # an earlier follow of the room goes on
                self.engine.hub.discard(follower)
            if isinstance(error, NotFound | NotAMember):  # unless the user may not follow it any more
                self.engine.hub.unfollow(self.socket, frame.room)
            raise
        self.answer(frame, answer)
        since, head = answer.membership.joined_seq, answer.head.seq
        self.start_delivery(frame.room, follower, cursor=plan.cursor, since=since, head=head)

    async def follow_room(self, join: Join) -> tuple[Followed, Plan]:
        """Returns what the service `follow_room` returns. Members who resume together share a statement."""
        if join.after is not None:
            resumed = await self.engine.resumes.run(JoinRequest(self.signed_in.user.id, join))
            if resumed is not None:
                return resumed
        followed: tuple[Followed, Plan] = await self.run(follow_room, join=join)
        return followed

    @handles(Sync)
    async def sync_rooms(self, frame: Sync) -> None:
        self.check_followed(frame.rooms.keys())
        followers = {
            room_id: self.engine.hub.hold(self.socket, room_id)
            for room_id, after in frame.rooms.items()
            if after is not None or room_id not in self.socket.followers
        }
        try:
            answers, plans = await self.engine.syncs.run(SyncRequest(self.signed_in.user.id, frame))
        except BaseException:
            self.discard(followers.values())
            raise
        refused = frame.rooms.keys() - plans.keys()
        self.discard(followers[room_id] for room_id in refused & followers.keys())
        self.unfollow(refused)
        self.answer(frame, SyncedRooms(answers))
        for room_id, plan in plans.items():
            self.start_delivery(room_id, followers.get(room_id), cursor=plan.cursor, since=plan.since, head=plan.head)

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
        """Answers a send with its verdict. The batch's events follow at once, and share a write with the reply."""
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

    def start_delivery(self, room_id: UUID, follower: Follower | None, *, cursor: int, since: int, head: int) -> None:
        """Releases `follower`, which was held, to receive what comes after `cursor`.

        If `follower` is None, the socket followed the room before, and delivery continues where it is. `since` is the
        seq at which the user became a member; `head` is the seq of the head that was read with it.
        """
        current = self.socket.followers.get(room_id)
        if follower is None and current is not None:
            current.since = since  # the notice of an earlier removal may still arrive, and must not end the delivery
            return
        if follower is None:  # the user was removed and added again meanwhile
            follower = self.engine.hub.hold(self.socket, room_id)
        self.engine.hub.release(follower, cursor=cursor, since=since, head=head)

    def check_followed(self, rooms: Set[UUID]) -> None:
        """Raises `LimitReached` if following `rooms` too would be more than the socket may follow."""
        limit = self.engine.limits.max_followed_rooms
        if len(rooms | self.socket.followers.keys()) > limit:
            raise LimitReached(f"A socket can follow at most {limit} rooms.")

    def discard(self, followers: Iterable[Follower]) -> None:
        """Ends follows that were held and not released."""
        for follower in followers:
            self.engine.hub.discard(follower)

    def unfollow(self, rooms: Iterable[UUID]) -> None:
        """Stops following those of `rooms` that the socket follows."""
        for room_id in rooms:
            self.engine.hub.unfollow(self.socket, room_id)

    async def run(self, service: Any, **fields: Any) -> Any:
        """Calls a service or selector for this user, on one of the reader threads."""
        return await self.engine.readers.run(service, user_id=self.signed_in.user.id, **fields)
