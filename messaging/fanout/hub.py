"""The hub: every socket of this process, the rooms they follow, and the writing of what happened to them. Pure.

Entries come in any order from `publish`; each follower gets them in the order of the log, each once. Reading pages,
the loop and the bounds are passed in.
"""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

from messaging.fanout.budget import Budget
from messaging.fanout.delivery import Delivery
from messaging.fanout.feed import Feed, Follower, Sink, Unready, chunks_of
from messaging.fanout.pages import PageReader, Pages
from messaging.fanout.sinks import Sinks
from messaging.wire.framing import Frames
from messaging.wire.limits import Limits
from rooms.events import Notice, RoomHint, RoomNotice, SessionsChanged, UserNotice


class Interest(Protocol):
    """Callbacks that the hub invokes when what this process needs to hear of changes. They must not block."""

    def room_followed(self, room_id: UUID) -> None:
        """A room gained its first follower in this process."""

    def room_unfollowed(self, room_id: UUID) -> None:
        """A room lost its last follower in this process."""

    def user_connected(self, user_id: UUID) -> None:
        """A user opened their first socket in this process."""

    def user_disconnected(self, user_id: UUID) -> None:
        """A user's last socket in this process is gone."""

    def sessions_changed(self, user_id: UUID) -> None:
        """Sessions of a user who has sockets in this process may have ended."""


class NoInterest:
    """An `Interest` that does nothing."""

    def room_followed(self, room_id: UUID) -> None:
        pass

    def room_unfollowed(self, room_id: UUID) -> None:
        pass

    def user_connected(self, user_id: UUID) -> None:
        pass

    def user_disconnected(self, user_id: UUID) -> None:
        pass

    def sessions_changed(self, user_id: UUID) -> None:
        pass


class Hub:
    """Used on one loop only; `publish` from another thread goes through `call_soon_threadsafe`."""

    def __init__(
        self,
        *,
        read_page: PageReader,
        loop: asyncio.AbstractEventLoop,
        limits: Limits,
        interest: Interest | None = None,
    ) -> None:
        self._loop = loop
        self._limits = limits
        self._interest = interest or NoInterest()
        self._pages = Pages(read_page, loop=loop, size=limits.replay_page_entries, max_bytes=limits.pages_max_bytes)
        self.unready = Unready()
        self._delivery = Delivery(pages=self._pages, spawn=self._spawn, unfollow=self.unfollow, unready=self.unready)
        self._feeds: dict[UUID, Feed] = {}
        self._budget = Budget(limits.rings_max_bytes)
        self._sinks = Sinks()
        self._tasks: set[asyncio.Task[None]] = set()

    # -- sockets ---------------------------------------------------------------------------------------------------

    def register(self, sink: Sink) -> None:
        """Add a socket. From now on it gets what is published to its user."""
        if self._sinks.add(sink):
            self._interest.user_connected(sink.user_id)

    def unregister(self, sink: Sink) -> None:
        """Remove a socket, and its follow of every room."""
        for room_id in list(sink.followers):
            self.unfollow(sink, room_id)
        if self._sinks.discard(sink):
            self._interest.user_disconnected(sink.user_id)

    def sinks(self) -> list[Sink]:
        return self._sinks.all()

    def sinks_of(self, user_id: UUID) -> list[Sink]:
        return self._sinks.of_user(user_id)

    def sinks_of_session(self, session_key: str) -> list[Sink]:
        return self._sinks.of_session(session_key)

    @property
    def auth_versions(self) -> Mapping[str, int]:
        """For each session that has sockets here, the lowest `auth_version` that one of them was admitted with."""
        return self._sinks.auth_versions

    @property
    def pages_read(self) -> int:
        """How many pages of logs were read so far, for all followers together."""
        return self._pages.read

    def known_heads(self) -> dict[UUID, int]:
        """The rooms that are followed, and how far their logs are known to reach."""
        return {room_id: feed.known for room_id, feed in self._feeds.items()}

    def hold(self, sink: Sink, room_id: UUID) -> Follower:
        """Begin to follow, held: what happens from now on is kept for it. An earlier follow is replaced."""
        feed = self._feeds.get(room_id)
        if feed is None:
            feed = self._feeds[room_id] = Feed(room_id, limits=self._limits)
            self._interest.room_followed(room_id)
        follower = Follower(feed, sink)
        feed.others.add(follower)
        self.unfollow(sink, room_id)
        sink.followers[room_id] = follower
        return follower

    def release(self, follower: Follower, *, cursor: int, since: int, head: int) -> None:
        """Let `follower` have what comes after `cursor`: its room's log reached `head` when membership was read."""
        feed = follower.feed
        if follower not in feed.others:
            return
        follower.cursor, follower.since = cursor, since
        feed.start(head)
        self._hear(feed, ())
        self._delivery.catch_up(follower)

    def unfollow(self, sink: Sink, room_id: UUID) -> None:
        follower = sink.followers.pop(room_id, None)
        if follower is not None:
            self._discard(follower)

    def drained(self, sink: Sink) -> None:
        """`sink` takes more again: go on with whatever it is behind in."""
        self._delivery.drained(sink)

    async def close(self) -> None:
        """Stop every task and timer."""
        for feed in self._feeds.values():
            feed.stop_healing()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._pages.close()

    # -- what happened ----------------------------------------------------------------------------------------------

    def publish(self, notices: Sequence[Notice]) -> None:
        """Tell whom it concerns. Notices may be late, doubled or out of order."""
        rooms: dict[UUID, list[RoomNotice]] = {}
        for notice in notices:
            match notice:
                case RoomNotice():
                    if notice.room_id in self._feeds:
                        rooms.setdefault(notice.room_id, []).append(notice)
                case RoomHint():
                    self.hint(notice)
                case UserNotice():
                    self._tell(notice)
                case SessionsChanged():
                    if self._sinks.of_user(notice.user_id):
                        self._interest.sessions_changed(notice.user_id)
        for room_id, heard in rooms.items():
            if (feed := self._feeds.get(room_id)) is not None:
                self._hear(feed, heard)

    def hint(self, hint: RoomHint) -> int:
        """The log of a room reaches at least to `hint.seq`. Returns how many entries of it were news."""
        feed = self._feeds.get(hint.room_id)
        if feed is None or hint.seq <= feed.known:
            return 0
        unheard = hint.seq - feed.known if feed.last is not None else 0
        feed.hint(hint.seq)
        self._hear(feed, ())
        return unheard

    def _tell(self, notice: UserNotice) -> None:
        """What has no seq is dropped for a congested socket."""
        frames = Frames((notice.payload,))
        for sink in self._sinks.of_user(notice.user_id):
            sink.offer(frames)

    def _hear(self, feed: Feed, notices: Iterable[RoomNotice]) -> None:
        ready = feed.hear(notices)
        self._budget.update(feed)
        if ready:
            if any(notice.revises for notice in ready):
                self._pages.forget(feed.room_id)
            for chunk in chunks_of(ready):
                self._delivery.deliver(feed, chunk)
            for follower in list(feed.others):
                if follower.cursor is not None:
                    self._delivery.catch_up(follower)
        if not feed.has_hole:
            feed.stop_healing()
        elif not feed.is_idle:
            self._heal(feed)

    # -- holes ------------------------------------------------------------------------------------------------------

    def _heal(self, feed: Feed) -> None:
        """Give a hole a moment to fill by itself, then ask the log: one reader for all."""
        if feed.healing is None:
            feed.healing = self._loop.call_later(self._limits.park_s, self._start_refill, feed)

    def _start_refill(self, feed: Feed) -> None:
        feed.healing = self._spawn(self._refill(feed))

    async def _refill(self, feed: Feed) -> None:
        while feed.has_hole and not feed.is_idle:
            assert feed.last is not None  # noqa: S101
            self._hear(feed, await self._pages.try_after(feed.room_id, feed.last))

    # -- housekeeping -----------------------------------------------------------------------------------------------

    def _discard(self, follower: Follower) -> None:
        feed = follower.feed
        feed.remove(follower)
        if feed.is_idle and self._feeds.get(feed.room_id) is feed:
            del self._feeds[feed.room_id]
            self._budget.discard(feed)
            feed.stop_healing()
            self._interest.room_unfollowed(feed.room_id)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
