"""The load generator without a C compiler: takes the same commands as load.c, and is slower.

It may be the bottleneck: it then measures its own limits instead of the server's.
"""

import asyncio
import itertools
import json
import random
import struct
import sys
import time
from typing import Any

from tests.benchmarks.generator import BODY_BYTES

CONNECTING = 64
OVERLOADED = 4003
DRAIN_S = 10.0


class Load:
    """All sockets, and the messages in flight."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.address = ("127.0.0.1", 0)
        self.sockets: list[Connection] = []
        self.group_sizes: dict[int, int] = {}
        self.missing: dict[int, tuple[int, int, Connection]] = {}  # by number: receivers left, time sent, sender
        self.numbers = itertools.count()
        self.window = 0
        self.latencies_us: list[int] | None = None  # None outside the measured time
        self.counts = dict.fromkeys(("messages", "lost", "doubled", "misordered", "closed"), 0)
        self.refused = self.reset = 0

    def execute(self, command: str, fields: list[str]) -> None:
        match command:
            case "server":
                self.address = fields[0], int(fields[1])
            case "socket":
                group = int(fields[0])
                self.group_sizes[group] = self.group_sizes.get(group, 0) + 1
                self.sockets.append(Connection(self, group, fields[1] == "1", *fields[2:]))
            case "connect":
                self.loop.run_until_complete(self._connect())
            case "come_back":
                self.loop.run_until_complete(self._come_back(float(fields[0])))
            case "closed" | "paced":
                self.loop.run_until_complete(self._measure(command, *map(float, fields)))
            case "hold":
                self.loop.run_until_complete(asyncio.sleep(float(fields[0])))
                report("end", {})

    async def _connect(self) -> None:
        begun = time.monotonic()
        turn = asyncio.Semaphore(CONNECTING)
        await asyncio.gather(*(connection.open(turn) for connection in self.sockets))
        self._report_ready(begun, [])

    async def _come_back(self, spread_s: float) -> None:
        begun = time.monotonic()
        turn = asyncio.Semaphore(len(self.sockets))
        took_us = await asyncio.gather(
            *(connection.come_back(turn, random.random() * spread_s) for connection in self.sockets)
        )
        self._report_ready(begun, sorted(took_us))

    def _report_ready(self, begun: float, took_us: list[float]) -> None:
        counts = {"refused": self.refused, "reset": self.reset, "misordered": self.counts["misordered"]}
        times = {"seconds": time.monotonic() - begun} | quantiles_of(took_us)
        report("ready", {"sockets": len(self.sockets)} | times | counts)

    async def _measure(self, command: str, amount: float, warm_up_s: float, seconds: float) -> None:
        senders = [connection for connection in self.sockets if connection.sends]
        self.window = int(amount) if command == "closed" else 0
        for sender in senders:
            for _ in range(self.window):
                sender.send_message()
        pace = self.loop.create_task(self._pace(senders, amount)) if command == "paced" else None
        await asyncio.sleep(warm_up_s)
        self.latencies_us, self.counts["messages"] = [], 0
        report("begin")
        begun = time.monotonic()
        await asyncio.sleep(seconds)
        took, found = time.monotonic() - begun, sorted(self.latencies_us)
        self.latencies_us, self.window = None, 0
        report("stop")
        if pace is not None:
            pace.cancel()
        deadline = time.monotonic() + DRAIN_S
        while self.missing and time.monotonic() < deadline:  # noqa: ASYNC110 - a poll is enough
            await asyncio.sleep(0.01)
        self.counts["lost"] += len(self.missing)
        self.missing.clear()
        report("end", {"deliveries": len(found), "seconds": took} | quantiles_of(found) | self.counts)

    async def _pace(self, senders: "list[Connection]", per_s: float) -> None:
        due = time.monotonic()
        for sender in itertools.cycle(senders):
            sender.send_message()
            due += 1 / per_s
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    def receive_message(self, number: int) -> None:
        if number not in self.missing:
            self.counts["doubled"] += 1
            return
        left, sent_ns, sender = self.missing[number]
        if self.latencies_us is not None:
            self.latencies_us.append((time.monotonic_ns() - sent_ns) // 1000)
        if left > 1:
            self.missing[number] = left - 1, sent_ns, sender
            return
        del self.missing[number]
        self.counts["messages"] += self.latencies_us is not None
        if self.window:
            sender.send_message()


class TurnedAway(Exception):
    """The server was overloaded, and said when to come back."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(retry_after_s)
        self.retry_after_s = retry_after_s


class Connection(asyncio.Protocol):
    """One client."""

    def __init__(self, load: Load, group: int, sends: bool, *texts: str) -> None:
        self.load, self.group, self.sends = load, group, sends
        self.path, self.header, self.first, self.ready, self.prefix, self.suffix, self.after = texts
        self.is_ready: asyncio.Future[None] = load.loop.create_future()
        self.is_upgraded = False
        self.is_turned_away = False  # and comes back
        self.rest = b""
        self.seq = 0
        self.transport: Any = None

    async def open(self, turn: asyncio.Semaphore) -> None:
        async with turn:
            self.transport, _ = await self.load.loop.create_connection(lambda: self, *self.load.address)
            lines = [
                f"GET {self.path} HTTP/1.1",
                f"Host: {self.load.address[0]}:{self.load.address[1]}",
                "Upgrade: websocket",
                "Connection: Upgrade",
                "Sec-WebSocket-Version: 13",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                *([self.header] if self.header else []),
            ]
            self.transport.write("\r\n".join([*lines, "", ""]).encode())
            await self.is_ready

    async def come_back(self, turn: asyncio.Semaphore, delay_s: float) -> float:
        """Opens the socket after `delay_s`, and again if it is turned away. Returns the time since it came, in µs."""
        await asyncio.sleep(delay_s)
        began = time.monotonic()
        while True:
            try:
                await self.open(turn)
                return (time.monotonic() - began) * 1e6
            except TurnedAway as refusal:
                self.load.refused += 1
                wait_s = refusal.retry_after_s
            except ConnectionResetError:
                self.load.reset += 1
                wait_s = random.random()
            self.is_ready = self.load.loop.create_future()
            self.is_upgraded, self.rest = False, b""
            await asyncio.sleep(wait_s)

    def send_message(self) -> None:
        number = next(self.load.numbers)
        self.load.missing[number] = self.load.group_sizes[self.group], time.monotonic_ns(), self
        self.write(self.prefix + f"~#{number:08x}".ljust(BODY_BYTES, "x") + self.suffix)

    def write(self, text: str, opcode: int = 1) -> None:
        payload = text.encode()
        size = len(payload)
        head = (
            struct.pack("!BB", 0x80 | opcode, 0x80 | size)
            if size < 126
            else struct.pack("!BBH", 0x80 | opcode, 254, size)
        )
        self.transport.write(head + bytes(4) + payload)  # a mask of zeros does not change the text

    def data_received(self, data: bytes) -> None:
        self.rest += data
        if not self.is_upgraded:
            head, found, self.rest = self.rest.partition(b"\r\n\r\n")
            if not found:
                self.rest = head
                return
            assert b" 101 " in head, head
            self.is_upgraded = True
            self.seq = int(self.after or 0)
            if self.first:
                self.write(self.first)
            if not self.ready:
                self.is_ready.set_result(None)
        while (frame := self._next_frame()) is not None:
            self._receive_frame(*frame)

    def _next_frame(self) -> tuple[int, bytes] | None:
        if len(self.rest) < 2:
            return None
        start, size = 2, self.rest[1] & 127
        if size == 126:
            start, size = 4, int.from_bytes(self.rest[2:4])
        elif size == 127:
            start, size = 10, int.from_bytes(self.rest[2:10])
        if len(self.rest) < start + size:
            return None
        frame = self.rest[0] & 15, self.rest[start : start + size]
        self.rest = self.rest[start + size :]
        return frame

    def _receive_frame(self, opcode: int, payload: bytes) -> None:
        if opcode == 9:
            self.write(payload.decode("latin-1"), opcode=10)
            return
        if opcode == 8:
            self._receive_close(int.from_bytes(payload[:2]), payload[2:].decode())
            return
        if self.after and payload.startswith(b'{"event":'):
            self._check_seq(payload)
        if not self.is_ready.done():
            if self.ready.encode() in payload:
                self.is_ready.set_result(None)
        elif (at := payload.find(b"~#")) >= 0:
            if not self.after:
                self._check_seq(payload)
            self.load.receive_message(int(payload[at + 2 : at + 10], 16))

    def _receive_close(self, code: int, reason: str) -> None:
        if code == OVERLOADED and not self.is_ready.done():
            _, found, seconds = reason.partition("retry_after=")
            self.is_turned_away = True
            self.is_ready.set_exception(TurnedAway(float(seconds) if found else random.random()))
        self.transport.close()

    def _check_seq(self, payload: bytes) -> None:
        _, found, numbered = payload[:160].partition(b'"seq":')
        if found:
            seq = int(numbered.split(b",")[0])
            self.load.counts["misordered"] += (bool(self.seq) or bool(self.after)) and seq != self.seq + 1
            self.seq = seq

    def connection_lost(self, exc: Exception | None) -> None:
        if self.is_turned_away:
            self.is_turned_away = False
            return
        if isinstance(exc, ConnectionResetError) and not self.is_upgraded:
            self.is_ready.set_exception(exc)  # the kernel's queue of the server was full
            return
        self.load.counts["closed"] += 1
        if not self.is_ready.done():
            self.is_ready.set_exception(ConnectionError("closed before it was ready"))


def quantiles_of(times_us: list[Any]) -> dict[str, Any]:
    """Returns quantiles of sorted times, under the names of the report."""
    if not times_us:
        return {"p50_us": 0, "p99_us": 0, "max_us": 0}
    return {f"p{q}_us": times_us[len(times_us) * q // 100] for q in (50, 99)} | {"max_us": times_us[-1]}


def report(word: str, numbers: dict[str, Any] | None = None) -> None:
    print(word if numbers is None else f"{word} {json.dumps(numbers)}", flush=True)


if __name__ == "__main__":
    load = Load()
    asyncio.set_event_loop(load.loop)
    for line in sys.stdin:
        command, *fields = line.rstrip("\n").split("\t")
        load.execute(command, fields)
