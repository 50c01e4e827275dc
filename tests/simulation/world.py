"""A world of the simulation: two workers over one log, a lossy layer, and clients. Its methods are the steps."""

import asyncio
import logging
import random
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from accounts.schema import User
from messaging.wire.limits import Limits
from tests.simulation.client import CAUGHT_UP_S, Client
from tests.simulation.layer import LossyLayer
from tests.simulation.model_store import EVICTIONS, ModelStore
from tests.simulation.worker import Clock, Worker
from tests.unit.examples import ALICE, BOB, CHARLIE, OTHER_ROOM, ROOM

# So small that rings overflow, pages end, windows close, buffers fill and the relay falls back to hints.
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
ARRIVAL_S = 0.3  # enough to connect, join and send, one after the other
ROOMS = {ROOM: "private", OTHER_ROOM: "public"}


class ErrorRecorder(logging.Handler):
    """Records every error that the server logs as a fault. Nothing in the simulation justifies one."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._faults = faults

    def emit(self, record: logging.LogRecord) -> None:
        self._faults.append(f"logged: {record.getMessage()}")


@dataclass
class LogChecker:
    """Checks each entry of the logs once: seqs have no hole, senders are members, client_ids do not repeat."""

    faults: list[str]
    members: dict[UUID, set[UUID]] = field(default_factory=lambda: {room: set() for room in ROOMS})
    checked: dict[UUID, int] = field(default_factory=lambda: dict.fromkeys(ROOMS, 0))
    keys: set[tuple[UUID, UUID, str | None]] = field(default_factory=set)

    def check_new_entries(self, store: ModelStore) -> None:
        for room_id, room in store.rooms.items():
            members = self.members[room_id]
            for entry in room.entries[self.checked[room_id] :]:
                self.checked[room_id] += 1
                if entry.kind == "member.joined" and entry.user_id is not None:
                    members.add(entry.user_id)
                elif entry.kind in EVICTIONS and entry.user_id is not None:
                    members.remove(entry.user_id)
                elif entry.message_id is not None:
                    message = room.messages[entry.message_id - 1]
                    key = room_id, message.sender.id, message.client_id
                    if message.sender.id not in members:
                        self.faults.append(f"{message.sender.username} sent {message.seq} without being a member")
                    if message.seq != self.checked[room_id] or key in self.keys:
                        self.faults.append(f"{message.client_id} is in the log twice, or at the wrong seq")
                    self.keys.add(key)


class World:
    """Must be made on a running loop, and closed.

    The first device of each user has a direct connection. Second devices connect over plain ASGI, as to other servers.
    """

    def __init__(self, seed: int) -> None:
        self.faults: list[str] = []
        self._error_recorder = ErrorRecorder(self.faults)
        logging.getLogger("messaging").addHandler(self._error_recorder)
        logging.getLogger("messaging.fanout.relay").setLevel(logging.ERROR)  # its warnings about the layer are expected
        asyncio.get_running_loop().set_exception_handler(self._record_loop_error)
        clock = self._clock = Clock(seed)
        self.store = ModelStore([ALICE, BOB, CHARLIE])
        self.layer = LossyLayer(rng=random.Random(seed))
        self.workers = [Worker(self.store, limits=LIMITS, layer=self.layer, clock=clock) for _ in range(2)]
        self.log_checker = LogChecker(self.faults)
        self.store.make_room(ROOM, "private", [ALICE, BOB, CHARLIE], at=clock.now())
        self.store.make_room(OTHER_ROOM, "public", [ALICE, BOB], at=clock.now())
        devices = [("alice", ALICE), ("bob", BOB), ("bob-2", BOB), ("charlie", CHARLIE), ("charlie-2", CHARLIE)]
        self.clients = [
            Client(name, user, self.store, self.faults, is_direct="-" not in name) for name, user in devices
        ]
        for index, client in enumerate(self.clients):
            client.connect(self.workers[index % 2])
            client.join(ROOM, after=None)

    def connected(self) -> list[Client]:
        return [client for client in self.clients if client.connection is not None]

    def disconnected(self) -> list[Client]:
        return [client for client in self.clients if client.connection is None]

    def list_users(self, *, are_members: bool) -> list[tuple[UUID, User]]:
        """Returns the rooms and their members whom Alice can remove, or the non-members whom she can add."""
        return [
            (room.id, user)
            for room in self.store.rooms.values()
            for user in (BOB, CHARLIE)
            if (room.current_membership(user.id) is not None) is are_members
        ]

    def drain(self, client: Client) -> None:
        """Lets `client` read again. After a long pause it drops its connection instead, as the protocol advises."""
        paused_s = client.served_by.loop.time() - client.stopped_at
        if client.is_reading or paused_s < 2 * LIMITS.stalled_writer_s:
            client.drain()
        elif client.connection is not None:
            client.drop()

    def resume(self, client: Client, *, by_sync: bool) -> None:
        """Connects `client` to the other worker, and resumes its rooms there."""
        client.connect(self.workers[0] if client.worker is self.workers[1] else self.workers[1])
        client.resume(by_sync=by_sync)

    def send_from_all(self, room: UUID) -> None:
        """Sends two messages from every connected client at the same time."""
        for client in self.connected():
            client.send(room, count=2)

    async def settle(self) -> None:
        """Connects and drains every client, sends one more message to each room, and waits until all are caught up."""
        for index, client in enumerate(self.clients):
            self.drain(client)
            if client.connection is None:
                self.resume(client, by_sync=index % 2 == 0)
        await asyncio.sleep(ARRIVAL_S)
        for room in ROOMS:
            self.clients[0].send(room)
        await asyncio.sleep(CAUGHT_UP_S)
        self.faults += self.missing_changes()
        self.log_checker.check_new_entries(self.store)

    def missing_changes(self) -> list[str]:
        """Returns what clients should have received by now of the changes that concern their users."""
        return [fault for client in self.connected() for fault in client.missing_changes()]

    def settled_faults(self) -> list[str]:
        """Returns what clients still lack after `settle`: replies, and entries of the rooms that they follow."""
        faults = []
        for client in self.clients:
            faults += [f"{client.name} has no reply to {request.action}" for request in client.requests.values()]
            for room_id, stream in client.streams.items():
                if stream.last != self.store.rooms[room_id].seq:
                    head = self.store.rooms[room_id].seq
                    faults.append(f"{client.name} is at seq {stream.last} of a room whose head is {head}")
        return faults

    async def close(self) -> list[str]:
        """Drops every connection and closes the workers. Returns what the connections left behind."""
        for client in self.connected():
            client.drop()
        await asyncio.sleep(ARRIVAL_S)
        sinks = [sink for worker in self.workers for sink in worker.hub.sinks()]
        leaks = [f"a socket of {self.store.users[sink.user_id].username} is still registered" for sink in sinks]
        leaks += ["a user is still known" for worker in self.workers if worker.hub.user_versions()]
        leaks += ["a room is still followed" for worker in self.workers if worker.hub.known_heads()]
        leaks += ["a socket is still unready" for worker in self.workers if worker.hub.unready]
        for worker in self.workers:
            await worker.close()
        logging.getLogger("messaging").removeHandler(self._error_recorder)
        logging.getLogger("messaging.fanout.relay").setLevel(logging.NOTSET)
        return leaks

    def remove(self, room: UUID, user: User, *, worker: int) -> None:
        """Removes a member, as Alice, unless they have left in this step."""
        if self.store.rooms[room].current_membership(user.id) is not None:
            self.workers[worker].remove_member(room, user.id, by=ALICE)

    def add(self, room: UUID, user: User, *, worker: int) -> None:
        """Adds a member, as Alice, unless they have joined in this step."""
        if self.store.rooms[room].current_membership(user.id) is None:
            self.workers[worker].add_member(room, user.id, by=ALICE)

    def _record_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.faults.append(f"{context['message']}: {context.get('exception')!r}")
