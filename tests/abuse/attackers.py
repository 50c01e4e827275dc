"""Raw clients that keep to no rule. Each attack runs in processes of its own, apart from those who measure."""

import base64
import itertools
import json
import multiprocessing
import os
import selectors
import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.synchronize import Event
from typing import NamedTuple

PING = b"\x89\x80\x00\x00\x00\x00"  # masked and empty
TINY = b"\x81\x81\x00\x00\x00\x00x"  # a text frame of one byte, which is no JSON
FRAGMENT = b"\x00\x80\x00\x00\x00\x00"  # an empty continuation
ADDRESS = "127.0.0.2"  # which the attackers come from, so that the bystanders have another one
BLOCK_BYTES = 256 * 1024  # written at once
RECEIVE_BYTES = 64 * 1024


class Target(NamedTuple):
    """The server that is attacked, and the credentials and rooms that the attacker has."""

    port: int
    is_encrypted: bool
    tokens: Sequence[str]
    rooms: Sequence[str]


class Report:
    """What an attacker did, and saw: close codes (0 for an end without one), and connections that the server ended."""

    def __init__(self) -> None:
        self.connections = 0
        self.sent_bytes = 0
        self.sent_frames = 0  # of floods only
        self.received_bytes = 0
        self.closes: Counter[int] = Counter()
        self.cuts = 0

    def add(self, other: "Report") -> None:
        for name in vars(self):
            setattr(self, name, getattr(self, name) + getattr(other, name))


Attack = Callable[[Target, Event, Report], None]


def text(payload: object) -> bytes:
    """Returns a masked text frame with `payload` as JSON."""
    return frame(json.dumps(payload).encode())


def frame(data: bytes, *, head: int = 0x81) -> bytes:
    """Returns a masked frame (with a mask of zeros)."""
    if len(data) < 126:
        return bytes((head, 0x80 | len(data))) + bytes(4) + data
    if len(data) < 65_536:
        return bytes((head, 0x80 | 126)) + len(data).to_bytes(2, "big") + bytes(4) + data
    return bytes((head, 0x80 | 127)) + len(data).to_bytes(8, "big") + bytes(4) + data


class RawSocket:
    """A connection after its handshake."""

    def __init__(
        self, target: Target, report: Report, *, token: str, receive_buffer: int = 0, address: str = ADDRESS
    ) -> None:
        raw = socket.socket()
        if receive_buffer:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        raw.settimeout(10)
        raw.bind((address, 0))
        raw.connect(("127.0.0.1", target.port))
        self.socket: socket.socket = encrypted(raw) if target.is_encrypted else raw
        self._report = report
        self._buffer = b""
        self.is_open = True
        self.texts: list[bytes] | None = None  # the payloads of text frames, if somebody wants them
        report.connections += 1
        key = base64.b64encode(os.urandom(16)).decode()
        head = (
            f"GET /ws/ HTTP/1.1\r\nHost: 127.0.0.1:{target.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nAuthorization: Bearer {token}\r\n\r\n"
        )
        self.socket.sendall(head.encode())
        while b"\r\n\r\n" not in self._buffer:
            if not (received := self.socket.recv(4096)):
                raise ConnectionResetError
            self._buffer += received
        self._buffer = self._buffer.split(b"\r\n\r\n", 1)[1]
        self._parse()
        self.socket.setblocking(False)

    def write(self, data: bytes) -> int:
        """Writes what the kernel takes. Returns how much that is."""
        try:
            sent = self.socket.send(data)
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            return 0
        except OSError:
            self.read()
            self.end(0)
            return 0
        self._report.sent_bytes += sent
        return sent

    def read(self) -> None:
        """Reads what has arrived, and notices a close frame."""
        try:
            while data := self.socket.recv(RECEIVE_BYTES):
                self._report.received_bytes += len(data)
                self._buffer += data
                self._parse()
                if not self.is_open:
                    return
            self.end(0)
        except (BlockingIOError, ssl.SSLWantReadError):
            pass
        except OSError:
            self.end(0)

    def _parse(self) -> None:
        while len(self._buffer) >= 4:
            opcode, length, start = self._buffer[0] & 0x0F, self._buffer[1] & 0x7F, 2
            if length == 126:
                length, start = int.from_bytes(self._buffer[2:4], "big"), 4
            elif length == 127:
                length, start = int.from_bytes(self._buffer[2:10], "big"), 10
            if len(self._buffer) < start + length:
                return
            if opcode == 8:
                self.end(int.from_bytes(self._buffer[start : start + 2], "big"))
                return
            if opcode == 1 and self.texts is not None:
                self.texts.append(self._buffer[start : start + length])
            self._buffer = self._buffer[start + length :]

    def end(self, code: int) -> None:
        if self.is_open:
            self.is_open = False
            self._report.closes[code] += 1

    def close(self) -> None:
        with suppress(OSError):
            self.socket.close()


def connect(target: Target, *, timeout_s: float) -> socket.socket:
    return socket.create_connection(("127.0.0.1", target.port), timeout=timeout_s, source_address=(ADDRESS, 0))


def encrypted(raw: socket.socket) -> socket.socket:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(raw)


def flood(
    target: Target, stop: Event, report: Report, *, token: str, data: bytes, first: bytes = b"", goes_on: bool = False
) -> None:
    """Writes `data` over and over, on one connection after the other. With `goes_on`, also after the server's close."""
    block = data * max(1, BLOCK_BYTES // len(data))
    while not stop.is_set():
        try:
            connection = RawSocket(target, report, token=token)
        except OSError:
            time.sleep(0.02)
            continue
        rest = memoryview(first + block)
        with selectors.DefaultSelector() as selector:
            selector.register(connection.socket, selectors.EVENT_READ | selectors.EVENT_WRITE)
            while not stop.is_set() and (connection.is_open or goes_on):
                selector.select(0.1)
                if connection.is_open:
                    connection.read()
                try:
                    written = connection.socket.send(rest)
                except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                    time.sleep(0.001)
                    continue
                except OSError:
                    connection.read()
                    connection.end(0)
                    report.cuts += 1
                    break
                report.sent_bytes += written
                report.sent_frames += written // len(data)
                rest = rest[written:] or memoryview(block)
        connection.close()


# -- attacks ------------------------------------------------------------------------------------------------------


def ping_without_a_token(target: Target, stop: Event, report: Report) -> None:
    flood(target, stop, report, token="none", data=PING, goes_on=True)


def ping(target: Target, stop: Event, report: Report) -> None:
    flood(target, stop, report, token=target.tokens[0], data=PING)


def write_after_the_close(target: Target, stop: Event, report: Report) -> None:
    flood(target, stop, report, token="none", data=TINY, goes_on=True)


def write_tiny_frames(target: Target, stop: Event, report: Report) -> None:
    flood(target, stop, report, token=target.tokens[0], data=TINY, goes_on=True)


def write_fragments(target: Target, stop: Event, report: Report) -> None:
    flood(target, stop, report, token=target.tokens[0], data=FRAGMENT, first=b"\x01\x80\x00\x00\x00\x00")


def write_large_frames(target: Target, stop: Event, report: Report) -> None:
    flood(target, stop, report, token=target.tokens[0], data=frame(b"x" * 65_000))


def mix_refusals_with_good_actions(target: Target, stop: Event, report: Report) -> None:
    """Keeps far over the rate of actions, with an action that is accepted whenever there is a token."""
    flood(target, stop, report, token=target.tokens[0], data=text({"action": "ping"}))


def reconnect(target: Target, stop: Event, report: Report) -> None:
    """Connects with a token, and goes at once."""
    while not stop.is_set():
        with suppress(OSError):
            connection = RawSocket(target, report, token=target.tokens[0])
            connection.socket.settimeout(1)
            with suppress(TimeoutError):
                connection.socket.recv(4096)
            connection.close()


def connect_without_a_token(target: Target, stop: Event, report: Report) -> None:
    while not stop.is_set():
        with suppress(OSError):
            connection = RawSocket(target, report, token="none")
            connection.socket.settimeout(1)
            if connection.is_open:
                connection.read()
            connection.close()


def leave_answers_unread(target: Target, stop: Event, report: Report) -> None:
    """Asks for pages over ninety sockets of one user, and reads none of them."""
    ask = text({"action": "history", "room": target.rooms[0], "limit": 100})
    connections: list[RawSocket] = []
    while not stop.is_set():
        if len(connections) < 90:
            with suppress(OSError):
                connections.append(RawSocket(target, report, token=target.tokens[0], receive_buffer=4096))
        for connection in connections:
            connection.write(ask)
        time.sleep(0.01)
    for connection in connections:
        connection.close()


def replay_everything(target: Target, stop: Event, report: Report) -> None:
    """Joins with the longest replay over sixty sockets of three users, again and again, and reads all of it."""
    join = text({"action": "join", "room": target.rooms[0], "after": 0, "max_replay": 100_000})
    with selectors.DefaultSelector() as selector:
        for token in list(target.tokens) * 20:
            with suppress(OSError):
                connection = RawSocket(target, report, token=token)
                selector.register(connection.socket, selectors.EVENT_READ, connection)
        asked_at = 0.0
        while not stop.is_set():
            if time.monotonic() - asked_at > 1:
                asked_at = time.monotonic()
                for key in selector.get_map().values():
                    key.data.write(join)
            for key, _ in selector.select(0.1):
                key.data.read()
                if not key.data.is_open:
                    selector.unregister(key.fileobj)


def hold_connections(target: Target, stop: Event, report: Report) -> None:
    """Opens connections that send nothing."""
    held = []
    while not stop.is_set():
        try:
            held.append(connect(target, timeout_s=1))
            report.connections += 1
        except OSError:
            time.sleep(0.01)
        if len(held) > 2_000:
            time.sleep(0.05)
    for each in held:
        each.close()


def pipeline_requests(target: Target, stop: Event, report: Report) -> None:
    """Writes requests without waiting for their answers, which it does not read either."""
    request = f"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{target.port}\r\n\r\n".encode()
    _write_http(target, stop, report, itertools.repeat(request * 1_000))


def write_heads_without_end(target: Target, stop: Event, report: Report) -> None:
    start = f"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{target.port}\r\n".encode()
    _write_http(target, stop, report, itertools.chain([start], itertools.repeat(b"x: " + b"y" * 1_000 + b"\r\n")))


def write_bodies_without_end(target: Target, stop: Event, report: Report) -> None:
    start = f"POST /api/v1/rooms/ HTTP/1.1\r\nHost: 127.0.0.1:{target.port}\r\nTransfer-Encoding: chunked\r\n\r\n"
    _write_http(target, stop, report, itertools.chain([start.encode()], itertools.repeat(b"1\r\nx\r\n" * 10_000)))


def _write_http(target: Target, stop: Event, report: Report, data: Iterator[bytes]) -> None:
    pieces = list(itertools.islice(data, 2))
    while not stop.is_set():
        with suppress(OSError):
            raw: socket.socket = connect(target, timeout_s=0.5)
            if target.is_encrypted:
                raw = encrypted(raw)
            report.connections += 1
            rest = memoryview(pieces[0])
            while not stop.is_set():
                try:
                    written = raw.send(rest)
                except TimeoutError:
                    continue
                except OSError:
                    report.cuts += 1
                    break
                report.sent_bytes += written
                rest = rest[written:] or memoryview(pieces[1])


# -- running them -------------------------------------------------------------------------------------------------


def _run(attack: Attack, target: Target, stop: Event, answer: "multiprocessing.SimpleQueue[Report]") -> None:
    os.nice(19)  # an attacker has a machine of its own: it takes no time from the server and the bystander
    report = Report()
    try:
        attack(target, stop, report)
    finally:
        answer.put(report)


@contextmanager
def attacking(attack: Attack, target: Target, *, processes: int = 2) -> Iterator[Report]:
    """Runs an attack, in several processes, for the length of the block. The report is complete after it."""
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    answer = context.SimpleQueue()
    running = [context.Process(target=_run, args=(attack, target, stop, answer)) for _ in range(processes)]
    for process in running:
        process.start()
    total = Report()
    time.sleep(0.5)  # until they have begun
    try:
        yield total
    finally:
        stop.set()
        for _ in running:
            total.add(answer.get())
        for process in running:
            process.join()
