"""One of the workers: a real engine, with its hub, writer, relay and sweep, for real consumers.

Only the threads for the database are others: they ask the model, and take a moment of virtual time for it.
"""

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

from accounts.schema import User
from messaging.append.appender import Appender
from messaging.consumers.handshake import authenticate
from messaging.database_threads import DatabaseThreads
from messaging.engine import Engine
from messaging.fanout.layer import Layer
from messaging.selectors.log import list_changes, read_page
from messaging.services.follow import follow_room, follow_rooms
from messaging.wire.limits import Limits
from rooms import services
from rooms.broadcast import add_listener, remove_listener
from rooms.notices import Notice
from tests.simulation.model_services import ModelServices
from tests.simulation.model_store import ModelStore
from tests.unit.examples import AT

P = ParamSpec("P")
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
    """Answers from the model, where that is asked. No thread is ever started."""

    def __init__(self, answers: dict[Callable[..., Any], Callable[..., Any]], *, clock: Clock) -> None:
        super().__init__(0, name="model")
        self._answers = answers
        self._clock = clock

    async def run(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        await asyncio.sleep(self._clock.pause(("before", fn.__name__, sorted(kwargs))))
        try:
            answer: T = self._answers.get(fn, fn)(*args, **kwargs)
            return answer
        finally:
            await asyncio.sleep(self._clock.pause(("after", fn.__name__, sorted(kwargs))))


class Worker(Engine):
    """An engine whose database is the model. Wants a running loop."""

    def __init__(self, store: ModelStore, *, limits: Limits, layer: Layer, clock: Clock) -> None:
        self.services = ModelServices(store, now=clock.now)
        super().__init__(
            limits=limits,
            layer=layer,
            readers=ModelThreads(self._answers(store), clock=clock),
            writer_thread=ModelThreads({}, clock=clock),
            append=Appender(store, now=clock.now).append,
            broadcast=self.publish,
        )

    def _answers(self, store: ModelStore) -> dict[Callable[..., Any], Callable[..., Any]]:
        """For whatever the engine runs on a thread: the model's answer."""
        return {
            authenticate: self.services.authenticate,
            follow_room: self._heard(self.services.follow_room),
            follow_rooms: self.services.follow_rooms,
            services.leave_room: self._heard(self.services.leave_room),
            read_page: store.read_page,
            list_changes: self.services.list_changes,
        }

    # -- the door for REST ------------------------------------------------------------------------------------------

    def remove_member(self, room_id: UUID, user_id: UUID, *, by: User) -> None:
        self._heard(self.services.remove_member)(room_id, user_id, by=by)

    def add_member(self, room_id: UUID, user_id: UUID, *, by: User) -> None:
        self._heard(self.services.add_member)(room_id, user_id, by=by)

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
            self.loop.call_soon(self.publish, notices)

        add_listener(listener)
        try:
            yield
        finally:
            remove_listener(listener)
