"""A TCP proxy between a server and PostgreSQL that lets a test break the connections."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from django.db import connection

COMMIT = b"COMMIT"

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class DatabaseProxy:
    """Forwards bytes, in a thread of its own, between the clients that connect to `url` and the test's database."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._writers: set[asyncio.StreamWriter] = set()
        self._port = 0
        self._listening: asyncio.Server
        self.is_waiting_for_commit = False
        self.unanswered_commits = 0  # commits that the database made and whose answer was dropped

    def __enter__(self) -> "DatabaseProxy":
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
        self._run(self._open)

    def close(self) -> None:
        """Breaks every connection and accepts no new ones, like a database that has stopped."""
        self._run(self._close)

    def cut(self) -> None:
        """Breaks every open connection."""
        self._run(self._cut)

    def cut_after_commit(self) -> None:
        """Lets the next COMMIT reach the database, then breaks every connection instead of forwarding its answer."""
        self.is_waiting_for_commit = True

    def _run(self, work: Callable[[], Awaitable[None]]) -> None:
        asyncio.run_coroutine_threadsafe(_awaited(work), self._loop).result(timeout=10)

    async def _open(self) -> None:
        self._listening = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
        self._port = self._listening.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._listening.close()
        await self._cut()
        await self._listening.wait_closed()

    async def _cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        database_reader, database_writer = await _connect_to_database()
        self._writers |= {writer, database_writer}
        directions = (
            self._forward(reader, database_writer),
            self._forward(database_reader, writer, is_from_database=True),
        )
        await asyncio.gather(*directions)
        self._writers -= {writer, database_writer}

    async def _forward(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, is_from_database: bool = False
    ) -> None:
        try:
            while data := await source.read(65_536):
                if is_from_database and self.is_waiting_for_commit and COMMIT in data:
                    self.is_waiting_for_commit = False
                    self.unanswered_commits += 1
                    await self._cut()
                sink.write(data)
                await sink.drain()
        except OSError:
            pass
        finally:
            sink.transport.abort()


async def _awaited(work: Callable[[], Awaitable[None]]) -> None:
    await work()


async def _connect_to_database() -> Streams:
    values: dict[str, Any] = connection.settings_dict
    host = values["HOST"] or values["OPTIONS"].get("host", "")
    port = int(values["PORT"] or 5432)
    if host.startswith("/"):
        return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
    return await asyncio.open_connection(host or "127.0.0.1", port)
