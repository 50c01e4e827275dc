"""A wire between a server and its PostgreSQL that breaks when it is told to."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from django.db import connection

COMMIT = b"COMMIT"

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Tap:
    """Hands bytes on, in a thread of its own, between whoever connects to `url` and the test's database."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._ends: set[asyncio.StreamWriter] = set()
        self._port = 0
        self._listening: asyncio.Server
        self.is_deaf = False
        self.unheard = 0  # commits that were made and not answered

    def __enter__(self) -> "Tap":
        self._thread.start()
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def url(self) -> str:
        values: dict[str, Any] = connection.settings_dict
        return f"postgresql://{values['USER']}:{values['PASSWORD']}@127.0.0.1:{self._port}/{values['NAME']}"

    def open(self) -> None:
        self._do(self._open)

    def close(self) -> None:
        """As a database does that went: connections break, and there are no new ones."""
        self._do(self._close)

    def cut(self) -> None:
        """Break every connection, wherever it is."""
        self._do(self._cut)

    def cut_behind_a_commit(self) -> None:
        """Let the next COMMIT reach the database; then break all, instead of its answer."""
        self.is_deaf = True

    def _do(self, work: Callable[[], Awaitable[None]]) -> None:
        asyncio.run_coroutine_threadsafe(_awaited(work), self._loop).result(timeout=10)

    async def _open(self) -> None:
        self._listening = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
        self._port = self._listening.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._listening.close()
        await self._cut()
        await self._listening.wait_closed()

    async def _cut(self) -> None:
        for end in self._ends:
            end.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await _reach_database()
        self._ends |= {writer, far_writer}
        ways = self._pass(reader, far_writer), self._pass(far_reader, writer, is_answer=True)
        await asyncio.gather(*ways)
        self._ends -= {writer, far_writer}

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, is_answer: bool = False) -> None:
        try:
            while data := await source.read(65_536):
                if is_answer and self.is_deaf and COMMIT in data:
                    self.is_deaf = False
                    self.unheard += 1
                    await self._cut()
                sink.write(data)
                await sink.drain()
        except OSError:
            pass
        finally:
            sink.transport.abort()


async def _awaited(work: Callable[[], Awaitable[None]]) -> None:
    await work()


async def _reach_database() -> Ends:
    values: dict[str, Any] = connection.settings_dict
    host = values["HOST"] or values["OPTIONS"].get("host", "")
    port = int(values["PORT"] or 5432)
    if host.startswith("/"):
        return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
    return await asyncio.open_connection(host or "127.0.0.1", port)
