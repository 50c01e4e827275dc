"""A bare broadcast server on the `websockets` library: sends each message to all clients. Stores nothing.

python -m tests.benchmarks.broadcast <port>
"""

import sys

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

clients: set[ServerConnection] = set()


async def chat(connection: ServerConnection) -> None:
    clients.add(connection)
    try:
        async for message in connection:
            broadcast(clients, message)
    finally:
        clients.discard(connection)


async def main(port: int) -> None:
    async with serve(chat, "127.0.0.1", port, compression=None, ping_interval=None, backlog=4096) as server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
