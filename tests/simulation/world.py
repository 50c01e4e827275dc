"""Two workers, one log, a layer that loses a third, and the people: what the steps of the simulation do to them."""

import asyncio
import logging
import random
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from accounts.schema import User
from messaging.wire.limits import Limits
from tests.simulation.client import Client
from tests.simulation.layer import LossyLayer
from tests.simulation.model_store import EVICTIONS, ModelStore
from tests.simulation.worker import Clock, Worker
from tests.unit.examples import ALICE, BOB, CHARLIE, OTHER_ROOM, ROOM

# Small, so that rings overflow, pages end, windows close, buffers fill and the relay falls back to hints.
LIMITS = Limits(
    ring_max_frames=6,
    ring_max_bytes=4_000,
    parked_max_bytes=2_000,
    rings_max_bytes=5_000,
    replay_page_entries=10,
    pages_max_bytes=8_000,
    send_window=4,
    writer_batch=5,
    send_buffer_bytes=2_000,
    relay_max_bytes=6_000,
)
ARRIVAL_S = 0.3  # for connecting, joining and sending, all of it in order
LEVEL_S = 1.5 * LIMITS.sweep_interval_s  # what G3 promises
ROOMS = {ROOM: "private", OTHER_ROOM: "public"}


class Alarms(logging.Handler):
    """What the server logs as an error is a fault here: it never meets one that is not of its own making."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._faults = faults

    def emit(self, record: logging.LogRecord) -> None:
        self._faults.append(f"logged: {record.getMessage()}")


@dataclass
class Judge:
    """Reads the log as it grows, by itself: numbers, authority and keys hold at every place of it."""

    faults: list[str]
    members: dict[UUID, set[UUID]] = field(default_factory=lambda: {room: set() for room in ROOMS})
    read: dict[UUID, int] = field(default_factory=lambda: dict.fromkeys(ROOMS, 0))
    keys: set[tuple[UUID, UUID, str | None]] = field(default_factory=set)

    def go_on(self, store: ModelStore) -> None:
        for room_id, room in store.rooms.items():
            members = self.members[room_id]
            for entry in room.entries[self.read[room_id] :]:
                self.read[room_id] += 1
                if entry.kind == "member.joined" and entry.user_id is not None:
                    members.add(entry.user_id)
                elif entry.kind in EVICTIONS and entry.user_id is not None:
                    members.remove(entry.user_id)
                elif entry.message_id is not None:
                    message = room.messages[entry.message_id - 1]
                    key = room_id, message.sender.id, message.client_id
                    if message.sender.id not in members:
                        self.faults.append(f"{message.sender.username} sent {message.seq}, and was no member")
                    if message.seq != self.read[room_id] or key in self.keys:
                        self.faults.append(f"{message.client_id} is in the log twice")
                    self.keys.add(key)


class World:
    """Wants a running loop, and to be closed. Second devices are served as by other servers, over plain ASGI."""

    def __init__(self, seed: int) -> None:
        self.faults: list[str] = []
        self._alarms = Alarms(self.faults)
        logging.getLogger("messaging").addHandler(self._alarms)
        logging.getLogger("messaging.fanout.relay").setLevel(logging.ERROR)  # that the layer fails is no news
        asyncio.get_running_loop().set_exception_handler(self._report)
        clock = self._clock = Clock(seed)
        self.store = ModelStore([ALICE, BOB, CHARLIE])
        self.layer = LossyLayer(fate=random.Random(seed))
        self.workers = [Worker(self.store, limits=LIMITS, layer=self.layer, clock=clock) for _ in range(2)]
        self.judge = Judge(self.faults)
        self.store.make_room(ROOM, "private", [ALICE, BOB, CHARLIE], at=clock.now())
        self.store.make_room(OTHER_ROOM, "public", [ALICE, BOB], at=clock.now())
        devices = [("alice", ALICE), ("bob", BOB), ("bob-2", BOB), ("charlie", CHARLIE), ("charlie-2", CHARLIE)]
        self.clients = [
            Client(name, user, self.store, self.faults, is_direct="-" not in name) for name, user in devices
        ]
        for place, client in enumerate(self.clients):
            client.connect(self.workers[place % 2])
            client.join(ROOM, after=None)

    def connected(self) -> list[Client]:
        return [client for client in self.clients if client.connection is not None]

    def away(self) -> list[Client]:
        return [client for client in self.clients if client.connection is None]

    def members(self, *, of: bool) -> list[tuple[UUID, User]]:
        """Whom Alice may remove, or add again."""
        return [
            (room.id, user)
            for room in self.store.rooms.values()
            for user in (BOB, CHARLIE)
            if (room.member(user.id) is not None) is of
        ]

    def drain(self, client: Client) -> None:
        """Let `client` read again. After a long silence it reconnects instead, as the protocol advises."""
        silent_s = client.served_by.loop.time() - client.stopped_at
        if client.is_reading or silent_s < 2 * LIMITS.stalled_writer_s:
            client.drain()
        elif client.connection is not None:
            client.drop()

    def resume(self, client: Client, *, by_sync: bool) -> None:
        """Come back, on the other worker."""
        client.connect(self.workers[0] if client.worker is self.workers[1] else self.workers[1])
        client.resume(by_sync=by_sync)

    def talk(self, room: UUID) -> None:
        """All at once."""
        for client in self.connected():
            client.send(room, count=2)

    async def settle(self) -> None:
        """Everybody is there and reads; Alice says one thing more in each room; then what G3 promises has passed."""
        for place, client in enumerate(self.clients):
            self.drain(client)
            if client.connection is None:
                self.resume(client, by_sync=place % 2 == 0)
        await asyncio.sleep(ARRIVAL_S)
        for room in ROOMS:
            self.clients[0].send(room)
        await asyncio.sleep(LEVEL_S)
        self.judge.go_on(self.store)

    def level_faults(self) -> list[str]:
        """Who does not have all that they should, once all is settled."""
        faults = []
        for client in self.clients:
            faults += [f"{client.name} waits for {request.action}" for request in client.requests.values()]
            for room_id, stream in client.streams.items():
                if stream.last != self.store.rooms[room_id].seq:
                    faults.append(f"{client.name} has {stream.last} of {self.store.rooms[room_id].seq}")
        return faults

    async def close(self) -> list[str]:
        """Everybody goes. Returns what they left behind."""
        for client in self.connected():
            client.drop()
        await asyncio.sleep(ARRIVAL_S)
        sinks = [sink for worker in self.workers for sink in worker.hub.sinks()]
        left = [f"a socket of {self.store.users[sink.user_id].username} is left" for sink in sinks]
        left += ["a room is still followed" for worker in self.workers if worker.hub.known_heads()]
        left += ["a socket is still unready" for worker in self.workers if worker.hub.unready]
        for worker in self.workers:
            await worker.close()
        logging.getLogger("messaging").removeHandler(self._alarms)
        logging.getLogger("messaging.fanout.relay").setLevel(logging.NOTSET)
        return left

    def remove(self, room: UUID, user: User, *, at: int) -> None:
        """Unless they have left by themselves in this very step."""
        if self.store.rooms[room].member(user.id) is not None:
            self.workers[at].remove_member(room, user.id, by=ALICE)

    def add(self, room: UUID, user: User, *, at: int) -> None:
        """Unless they have come by themselves in this very step."""
        if self.store.rooms[room].member(user.id) is None:
            self.workers[at].add_member(room, user.id, by=ALICE)

    def _report(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.faults.append(f"{context['message']}: {context.get('exception')!r}")
