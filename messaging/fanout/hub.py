"""The hub: every socket of this process, and the rooms that they follow. Pure.

`publish` takes notices in any order. Each follower of a room receives its entries in the order of the log, each once.
Each socket of a user receives the changes that concern the user, in the order of their versions. The reader of pages,
the event loop and the limits are passed in.
"""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

from messaging.fanout.budget import Budget
from messaging.fanout.delivery import Charge, Delivery
from messaging.fanout.feed import Feed, Follower, Sink, Unready, chunks_of
from messaging.fanout.pages import PageReader, Pages
from messaging.fanout.sinks import Sinks
from messaging.fanout.turns import Turns
from messaging.fanout.user_delivery import UserChanges, UserDelivery
from messaging.wire.limits import Limits
from rooms.notices import Notice, RoomHint, RoomNotice, SessionsChanged, UserHint, UserNotice


class Interest(Protocol):
    """Callbacks that the hub invokes when a room gains its first follower or loses its last, when a user's first socket
    opens or last one closes, and when something about a user has to be read. They must not block.
    """

    def room_followed(self, room_id: UUID) -> None:
        """A room gained its first follower here."""

    def room_unfollowed(self, room_id: UUID) -> None:
        """A room lost its last follower here."""

    def user_connected(self, user_id: UUID) -> None:
        """A user opened their first socket here."""

    def user_disconnected(self, user_id: UUID) -> None:
        """A user's last socket here has closed."""

    def sessions_changed(self, user_id: UUID) -> None:
        """Sessions of a user who has sockets here may have ended."""

    def changes_missed(self, user_id: UUID) -> None:
        """Changes that concern a user who has sockets here have to be read, and passed to `Hub.catch_up`."""


class NoInterest:
    """An `Interest` that does nothing."""

    def room_followed(self, room_id: UUID) -> None: ...
    def room_unfollowed(self, room_id: UUID) -> None: ...
    def user_connected(self, user_id: UUID) -> None: ...
    def user_disconnected(self, user_id: UUID) -> None: ...
    def sessions_changed(self, user_id: UUID) -> None: ...
    def changes_missed(self, user_id: UUID) -> None: ...


class Hub:
    """Used on one loop only. Other threads call `publish` through `loop.call_soon_threadsafe`."""

    def __init__(
        self,
        *,
        read_page: PageReader,
        loop: asyncio.AbstractEventLoop,
        limits: Limits,
        interest: Interest | None = None,
        charge: Charge = lambda user_id, size: 0.0,
    ) -> None:
        self._loop = loop
        self._limits = limits
        self._interest = interest or NoInterest()
        self._pages = Pages(read_page, loop=loop, size=limits.replay_page_entries, max_bytes=limits.pages_max_bytes)
        self.unready = Unready()
        self._delivery = Delivery(
            pages=self._pages,
            spawn=self._spawn,
            unfollow=self.unfollow,
            unready=self.unready,
            turns=Turns(limits.replay_reads),
            charge=charge,
        )
        self._feeds: dict[UUID, Feed] = {}
        self._budget = Budget(limits.rings_max_bytes)
        self._sinks = Sinks()
        self._users = UserDelivery(self._sinks, missed=self._interest.changes_missed)
        self._tasks: set[asyncio.Task[None]] = set()

    # -- sockets ----------------------------------------------------------------------------------------------------

    def register(self, sink: Sink, *, version: int = 0) -> None:
        """Adds a socket. From now on it receives every change that concerns its user.

        `version` is the user's, which was read before: 0 if no change has concerned them yet.
        """
        is_first = self._sinks.add(sink)
        self._users.add(sink, version=version)
        if is_first:
            self._interest.user_connected(sink.user_id)

    def unregister(self, sink: Sink) -> None:
        """Removes a socket and ends all its follows. Does nothing if it was removed before."""
        for room_id in list(sink.followers):
            self.unfollow(sink, room_id)
        is_last = self._sinks.discard(sink)
        self._users.discard(sink, is_last=is_last)
        if is_last:
            self._interest.user_disconnected(sink.user_id)

    def drained(self, sink: Sink) -> None:
        """Must be called when `sink` is no longer congested: it goes on wherever it is behind."""
        self._delivery.drained(sink)
        self._users.drained(sink)

    def sinks(self) -> list[Sink]:
        return self._sinks.all()

    def sinks_of(self, user_id: UUID) -> list[Sink]:
        return self._sinks.of_user(user_id)

    def sinks_of_session(self, session_key: str) -> list[Sink]:
        return self._sinks.of_session(session_key)

    @property
    def auth_versions(self) -> Mapping[str, int]:
        """The lowest `auth_version` that a socket of each session was admitted with, by session key."""
        return self._sinks.auth_versions

    def user_versions(self) -> dict[UUID, int]:
        """Returns, for each user who has sockets here, the version after which their sockets may lack changes."""
        return self._users.versions()

    def catch_up(self, changes: UserChanges) -> int:
        """Writes to the sockets of a user what they lack of changes that were read. Returns how many were not known."""
        return self._users.catch_up(changes)

    # -- following --------------------------------------------------------------------------------------------------

    def hold(self, sink: Sink, room_id: UUID) -> Follower:
        """Begins to follow a room. Nothing is written to the follower until it is released.

        Call this before reading the head that the join is answered with, so that no entry falls between the two. If
        the sink follows the room already, that follow goes on until the new one is released. Otherwise `discard` it.
        """
        feed = self._feeds.get(room_id)
        if feed is None:
            feed = self._feeds[room_id] = Feed(room_id, limits=self._limits)
            self._interest.room_followed(room_id)
        follower = Follower(feed, sink)
        feed.not_live.add(follower)
        return follower

    def release(self, follower: Follower, *, cursor: int, since: int, head: int) -> None:
        """Writes to a held follower what comes after `cursor`, and from then on whatever is published.

        An earlier follow of the room by the same sink ends. `head` is the seq that the log had reached when the
        membership was read, and `since` the seq at which that membership began.
        """
        feed = follower.feed
        if follower not in feed.not_live:
            return
        self.unfollow(follower.sink, feed.room_id)
        follower.sink.followers[feed.room_id] = follower
        follower.cursor, follower.since = cursor, since
        feed.start(head)
        self._accept(feed, ())
        self._delivery.catch_up(follower)

    def discard(self, follower: Follower) -> None:
        """Ends a follow that was held and not released. Nothing is written for it."""
        self._remove(follower)

    def unfollow(self, sink: Sink, room_id: UUID) -> None:
        """Ends a follow. Nothing more is written for it. Does nothing if there is none."""
        follower = sink.followers.pop(room_id, None)
        if follower is not None:
            self._remove(follower)

    def _remove(self, follower: Follower) -> None:
        feed = follower.feed
        feed.remove(follower)
        if feed.is_idle and self._feeds.get(feed.room_id) is feed:
            del self._feeds[feed.room_id]
            self._budget.discard(feed)
            feed.cancel_refill()
            self._interest.room_unfollowed(feed.room_id)

    def known_heads(self) -> dict[UUID, int]:
        """Returns the newest seq that is known to exist in each room that is followed."""
        return {room_id: feed.known for room_id, feed in self._feeds.items()}

    @property
    def pages_read(self) -> int:
        """How many pages of logs were read since the start."""
        return self._pages.pages_read

    async def close(self) -> None:
        """Stops every task and timer."""
        for feed in self._feeds.values():
            feed.cancel_refill()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._pages.close()

    # -- publishing -------------------------------------------------------------------------------------------------

    def publish(self, notices: Sequence[Notice]) -> None:
        """Writes `notices` to the sockets that they concern. They may be late, doubled or out of order."""
        rooms: dict[UUID, list[RoomNotice]] = {}
        for notice in notices:
            match notice:
                case RoomNotice():
                    if notice.room_id in self._feeds:
                        rooms.setdefault(notice.room_id, []).append(notice)
                case RoomHint():
                    self.hint(notice)
                case UserNotice():
                    self._users.publish(notice)
                case UserHint():
                    self._users.hint(notice.user_id, notice.version)
                case SessionsChanged():
                    if self._sinks.of_user(notice.user_id):
                        self._interest.sessions_changed(notice.user_id)
        for room_id, entries in rooms.items():
            if (feed := self._feeds.get(room_id)) is not None:
                self._accept(feed, entries)

    def hint(self, hint: RoomHint) -> int:
        """Records that a room's log reaches at least `hint.seq`. Missing entries are read from the log.

        Returns how many entries were not known to exist, or 0 if the room is not followed.
        """
        feed = self._feeds.get(hint.room_id)
        if feed is None or hint.seq <= feed.known:
            return 0
        unknown = hint.seq - feed.known if feed.last is not None else 0
        feed.hint(hint.seq)
        self._accept(feed, ())
        return unknown

    def _accept(self, feed: Feed, notices: Iterable[RoomNotice]) -> None:
        ready = feed.accept(notices)
        self._budget.update(feed)
        if ready:
            if any(notice.revises for notice in ready):
                self._pages.forget(feed.room_id)
            for chunk in chunks_of(ready):
                self._delivery.deliver(feed, chunk)
            for follower in list(feed.not_live):
                if follower.cursor is not None:
                    self._delivery.catch_up(follower)
        if not feed.has_hole:
            feed.cancel_refill()
        elif not feed.is_idle:
            self._schedule_refill(feed)

    # -- holes ------------------------------------------------------------------------------------------------------

    def _schedule_refill(self, feed: Feed) -> None:
        """Waits a moment, in which the missing notices may arrive, then reads the log, once for all followers."""
        if feed.refill is None:
            feed.refill = self._loop.call_later(self._limits.park_s, self._start_refill, feed)

    def _start_refill(self, feed: Feed) -> None:
        feed.refill = self._spawn(self._refill(feed))

    async def _refill(self, feed: Feed) -> None:
        while feed.has_hole and not feed.is_idle:
            assert feed.last is not None  # noqa: S101
            self._accept(feed, await self._pages.poll_after(feed.room_id, feed.last))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
