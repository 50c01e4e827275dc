"""One of the workers: the real consumers, hub, writer, relay and sweep, wired as `messaging.engine` wires them.

Only the threads for the database are others: they ask the model, and take a moment of virtual time for it.
"""

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from accounts.schema import User
from accounts.selectors import list_standing_sessions
from messaging import following, selectors
from messaging.append import Appender
from messaging.database import DatabaseThreads
from messaging.hub import Hub
from messaging.interest import Interest
from messaging.limits import Limits
from messaging.pages import Page
from messaging.relay import Layer, Relay, room_group, user_group
from messaging.sweep import Sweep
from messaging.writer import Writer
from rooms import services
from rooms.broadcast import add_listener, remove_listener
from rooms.events import Notice
from rooms.selectors import list_heads
from tests.simulation.model_services import ModelServices
from tests.simulation.model_store import ModelStore
from tests.unit.examples import AT

T = TypeVar("T")

PAUSES_S = (0.0, 0.001, 0.004)  # before and after the moment at which a thread reads or commits


class Clock:
    """The times of one world: what the clock on the wall shows, and how long the database takes."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._loop = asyncio.get_running_loop()

    def now(self) -> datetime:
        return AT + timedelta(milliseconds=int(self._loop.time() * 1000))

    def pause(self, what: object) -> float:
        """Depends on what is asked and when, and not on the order in which sets are gone through."""
        return random.Random(f"{self._seed} {what} {self._loop.time()}").choice(PAUSES_S)


class ModelThreads(DatabaseThreads):
    """Answers from the model. No thread is ever started."""

    def __init__(self, answers: dict[Callable[..., Any], Callable[..., Any]], *, clock: Clock) -> None:
        super().__init__(1, name="model")
        self._answers = answers
        self._clock = clock

    async def run(self, fn: Callable[..., T], **kwargs: Any) -> T:
        await asyncio.sleep(self._clock.pause(("before", fn.__name__, sorted(kwargs))))
        answer: T = self._answers[fn](**kwargs)
        await asyncio.sleep(self._clock.pause(("after", fn.__name__, sorted(kwargs))))
        return answer


class LateExecutor(Executor):
    """Runs what it is given a moment later, in one step of the loop."""

    def __init__(self, *, clock: Clock, loop: asyncio.AbstractEventLoop) -> None:
        self._clock = clock
        self._loop = loop

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        future: Future[T] = Future()
        self._loop.call_later(self._clock.pause("commit"), self._work, future, fn, args)
        return future

    def _work(self, future: Future[T], fn: Callable[..., T], args: tuple[Any, ...]) -> None:
        try:
            done = fn(*args)
        except BaseException as error:  # noqa: BLE001 - as every executor does
            self._loop.call_later(self._clock.pause("answer"), future.set_exception, error)
        else:
            self._loop.call_later(self._clock.pause("answer"), future.set_result, done)


class Worker(Interest):
    """Takes the place of an `Engine` for the consumers. Wants a running loop."""

    is_draining = False

    def __init__(self, store: ModelStore, *, limits: Limits, layer: Layer, clock: Clock) -> None:
        self.limits = limits
        self.loop = asyncio.get_running_loop()
        self.services = ModelServices(store, now=clock.now)
        self.readers = ModelThreads(self._answers(store), clock=clock)
        self.hub = Hub(read_page=self._read_page, loop=self.loop, limits=limits, interest=self)
        executor = LateExecutor(clock=clock, loop=self.loop)
        append = Appender(store, now=clock.now).append
        self.writer = Writer(
            append=append,
            tell=self._publish,
            executor=executor,
            loop=self.loop,
            limits=limits,
        )
        self.relay = Relay(layer, loop=self.loop, limits=limits, deliver=self.hub.publish, caught_up=self._group_stands)
        self.sweep = Sweep(
            hub=self.hub,
            readers=self.readers,
            loop=self.loop,
            limits=limits,
            is_layer_healthy=lambda: self.relay.is_healthy,
        )

    def _answers(self, store: ModelStore) -> dict[Callable[..., Any], Callable[..., Any]]:
        """For whatever the engine runs on a thread: the model's answer."""
        return {
            following.admit: self.services.admit,
            following.follow_room: self._heard(self.services.follow_room),
            following.follow_rooms: self.services.follow_rooms,
            services.leave_room: self._heard(self.services.leave_room),
            selectors.read_page: store.read_page,
            list_heads: store.list_heads,
            list_standing_sessions: self.services.list_standing_sessions,
        }

    # -- the door for REST ------------------------------------------------------------------------------------------

    def remove_member(self, room_id: UUID, user_id: UUID, *, by: User) -> None:
        self._heard(self.services.remove_member)(room_id, user_id, by=by)

    def add_member(self, room_id: UUID, user_id: UUID, *, by: User) -> None:
        self._heard(self.services.add_member)(room_id, user_id, by=by)

    async def close(self) -> None:
        await self.writer.drain()
        await self.sweep.close()
        await self.relay.close()
        await self.hub.close()
        self.readers.shutdown()

    # -- as in the engine -------------------------------------------------------------------------------------------

    def room_followed(self, room_id: UUID) -> None:
        self.relay.follow(room_group(room_id))

    def room_left(self, room_id: UUID) -> None:
        self.relay.unfollow(room_group(room_id))

    def user_came(self, user_id: UUID) -> None:
        self.relay.follow(user_group(user_id))

    def user_went(self, user_id: UUID) -> None:
        self.relay.unfollow(user_group(user_id))

    def sessions_changed(self, user_id: UUID) -> None:
        self.sweep.look_at_user(user_id)

    def _group_stands(self, group: str) -> None:
        kind, _, key = group.partition(".")
        if kind == "room":
            self.sweep.look_at_room(UUID(key))
        else:
            self.sweep.look_at_user(UUID(key))

    def _publish(self, notices: Sequence[Notice]) -> None:
        self.hub.publish(notices)
        self.relay.publish(notices)

    async def _read_page(self, room_id: UUID, after: int, limit: int) -> Page:
        return await self.readers.run(selectors.read_page, room_id=room_id, after=after, limit=limit)

    # -- who hears of what is committed here --------------------------------------------------------------------------

    def _heard(self, service: Callable[..., T]) -> Callable[..., T]:
        """`service`, whose broadcasts only this worker listens to: the other is another process."""

        def heard(*args: Any, **kwargs: Any) -> T:
            with self._listening():
                return service(*args, **kwargs)

        return heard

    @contextmanager
    def _listening(self) -> Iterator[None]:
        def listener(notices: Sequence[Notice]) -> None:
            self.loop.call_soon(self._publish, notices)

        add_listener(listener)
        try:
            yield
        finally:
            remove_listener(listener)
