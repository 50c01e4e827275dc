"""Plain Channels: the consumer of the Channels tutorial, with or without one ORM create for each message.

Started by `uvicorn tests.benchmarks.plain:application`, with settings from the environment. `PLAIN_STORES=1` creates a
row before the broadcast. `REDIS_URL` selects the core layer of channels-redis; without it the layer is in memory.
`DATABASE_URL` is what it is for Roomlog.
"""

import json
import os
from typing import Any

import dj_database_url
import django
from django.conf import settings

STORES = os.environ.get("PLAIN_STORES") == "1"
REDIS_URL = os.environ.get("REDIS_URL")

database: dict[str, Any] = dict(dj_database_url.parse(os.environ.get("DATABASE_URL", "sqlite:///:memory:")))
database["CONN_MAX_AGE"] = None  # keeps connections open, which is fastest
if database["ENGINE"].endswith("sqlite3"):
    # As durable as Roomlog, and as fast as that allows.
    database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL",
    }

settings.configure(
    SECRET_KEY="benchmark",
    INSTALLED_APPS=["channels"],
    DATABASES={"default": database},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
    CHANNEL_LAYERS={
        "default": {
            "BACKEND": "channels_redis.core.RedisChannelLayer",
            # Otherwise redis-py 8 ends an idle consumer's wait after five seconds.
            "CONFIG": {"hosts": [{"address": REDIS_URL, "socket_timeout": None}]},
        }
        if REDIS_URL
        else {"BACKEND": "channels.layers.InMemoryChannelLayer"}
    },
)
django.setup()

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.db import connection, models
from django.urls import re_path


class Message(models.Model):
    room = models.CharField(max_length=100, db_index=True)
    text = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "plain"


class ChatConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    async def connect(self) -> None:
        self.room = self.scope["url_route"]["kwargs"]["room_name"]
        self.group = f"chat_{self.room}"
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(self.group, self.channel_name)

    async def receive(self, text_data: str) -> None:
        message = json.loads(text_data)["message"]
        if STORES:
            await database_sync_to_async(Message._default_manager.create)(room=self.room, text=message)
        await self.channel_layer.group_send(self.group, {"type": "chat.message", "message": message})

    async def chat_message(self, event: dict[str, Any]) -> None:
        await self.send(text_data=json.dumps({"message": event["message"]}))


def make_table() -> None:
    if Message._meta.db_table not in connection.introspection.table_names():
        with connection.schema_editor() as editor:
            editor.create_model(Message)
    connection.close()


if STORES:
    make_table()
application = ProtocolTypeRouter(
    {"websocket": URLRouter([re_path(r"ws/chat/(?P<room_name>\w+)/$", ChatConsumer.as_asgi())])}
)
