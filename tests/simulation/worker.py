"""A worker of the simulation: a real engine, with its hub, writer, relay and sweep, which serves real consumers.

Only its database threads are replaced. They call the model, and take a few milliseconds of virtual time.
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
from messaging.database_threads import DatabaseThreads
from messaging.engine import Engine
from messaging.fanout.layer import Layer
from messaging.selectors.handshakes import authenticate
from messaging.selectors.log import list_changes, read_page
from messaging.services.follow import follow_room, follow_rooms, resume_rooms
from messaging.wire.limits import Limits
from rooms import services
from rooms.broadcast import add_listener, remove_listener
from rooms.notices import Notice
from tests.simulation.model_services import ModelServices
from tests.simulation.model_store import ModelStore
from tests.unit.examples import AT

P = ParamSpec("P")
T = TypeVar("T")

DELAYS_S = (0.0, 0.001, 0.004)  # before and after a thread reads or commits


class Clock:
    """The wall clock of a world, and the delays of its database. Must be made on a running loop."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._loop = asyncio.get_running_loop()

    def now(self) -> datetime:
        return AT + timedelta(milliseconds=int(self._loop.time() * 1000))

    def delay_s(self, call: object) -> float:
        """Returns the delay of a database call.

        It depends only on the seed, the call and the time, so that it does not change with the order of a set.
        """
        return random.Random(f"{self._seed} {call} {self._loop.time()}").choice(DELAYS_S)


class ModelThreads(DatabaseThreads):
    """Runs functions on the loop instead of on threads. Those in `replacements` are replaced by the model's."""

    def __init__(self, replacements: dict[Callable[..., Any], Callable[..., Any]], *, clock: Clock) -> None:
        super().__init__(0, name="model")
        self._replacements = replacements
        self._clock = clock
        self.answers = asyncio.Event()  # cleared while the database does not answer
        self.answers.set()
        self.calls: list[tuple[Any, ...]] = []  # the name and the positional arguments of each

    async def run(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        await asyncio.sleep(self._clock.delay_s(("before", fn.__name__, sorted(kwargs))))
        self.calls.append((fn.__name__, *args))
        await self.answers.wait()
        try:
            result: T = self._replacements.get(fn, fn)(*args, **kwargs)
            return result
        finally:
            await asyncio.sleep(self._clock.delay_s(("after", fn.__name__, sorted(kwargs))))


class Worker(Engine):
    """An engine whose database is the model. Must be made on a running loop."""

    def __init__(self, store: ModelStore, *, limits: Limits, layer: Layer, clock: Clock) -> None:
        self.services = ModelServices(store, now=clock.now)
        self.database = ModelThreads(self._replacements(store), clock=clock)
        super().__init__(
            limits=limits,
            layer=layer,
            readers=self.database,
            writer_thread=ModelThreads({}, clock=clock),
            append=Appender(store, now=clock.now).append,
            broadcast=self.publish,
        )

    def _replacements(self, store: ModelStore) -> dict[Callable[..., Any], Callable[..., Any]]:
        """Returns the model's function for each function that the engine runs on a reader thread."""
        return {
            authenticate: self.services.authenticate,
            follow_room: self._published_here(self.services.follow_room),
            resume_rooms: self.services.resume_rooms,
            follow_rooms: self.services.follow_rooms,
            services.leave_room: self._published_here(self.services.leave_room),
            services.read_messages: self._published_here(self.services.read_messages),
            read_page: store.read_page,
            list_changes: self.services.list_changes,
        }

    # -- REST -------------------------------------------------------------------------------------------------------

    def remove_member(self, room_id: UUID, user_id: UUID, *, by: User) -> None:
        self._published_here(self.services.remove_member)(room_id, user_id, by=by)

    def add_member(self, room_id: UUID, user_id: UUID, *, by: User) -> None:
        self._published_here(self.services.add_member)(room_id, user_id, by=by)

    # -- broadcasts -------------------------------------------------------------------------------------------------

    def _published_here(self, service: Callable[..., T]) -> Callable[..., T]:
        """Wraps `service` so that only this worker publishes its notices, as if each worker were a process."""

        def call(*args: Any, **kwargs: Any) -> T:
            with self._listening():
                return service(*args, **kwargs)

        return call

    @contextmanager
    def _listening(self) -> Iterator[None]:
        def listener(notices: Sequence[Notice]) -> None:
            self.loop.call_soon(self.publish, notices)

        add_listener(listener)
        try:
            yield
        finally:
            remove_listener(listener)
