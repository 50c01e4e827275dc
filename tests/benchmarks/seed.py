"""Fills an empty database with people and rooms. Prints their tokens and ids as JSON, for the load generator.

python -m tests.benchmarks.seed <people> <room size>...
"""

import json
import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django

django.setup()

from allauth.headless.tokens.strategies.jwt.internal import create_access_token
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.core.management import call_command
from django.db import connection

from accounts.models import Session, User
from accounts.sessions import SessionStore
from rooms import models
from rooms.log import now

PAIRS = 50
TOKENS_EXPIRE_IN_S = 24 * 3600  # longer than any run


def make_people(count: int) -> tuple[list[User], list[str]]:
    users = User.objects.bulk_create(User(username=f"person{n}", password="!") for n in range(count))
    stores = []
    for user in users:
        store = SessionStore()
        store._session_key = store._get_new_session_key()  # type: ignore[attr-defined]
        store[SESSION_KEY] = str(user.pk)
        store[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
        store[HASH_SESSION_KEY] = user.get_session_auth_hash()
        stores.append(store)
    Session.objects.bulk_create(store.create_model_instance(store._session) for store in stores)  # type: ignore[attr-defined]
    tokens = [create_access_token(user, store, {}) for user, store in zip(users, stores, strict=True)]
    return users, tokens


def make_room(name: str, users: list[User]) -> str:
    room = models.Room.objects.create(kind="private", name=name, member_count=len(users), created_at=now())
    models.Head.objects.create(room=room)
    models.Membership.objects.bulk_create(models.Membership(room=room, user=user, joined_seq=0) for user in users)
    return str(room.id)


def main(people: int, sizes: list[int]) -> None:
    settings.HEADLESS_JWT_ACCESS_TOKEN_EXPIRES_IN = TOKENS_EXPIRE_IN_S
    call_command("migrate", verbosity=0, interactive=False)
    users, tokens = make_people(people)
    rooms = {size: make_room(f"of {size}", users[:size]) for size in sizes}
    pairs = [make_room(f"pair {n}", users[2 * n : 2 * n + 2]) for n in range(PAIRS)]
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # autovacuum would do so later
    json.dump({"tokens": tokens, "rooms": rooms, "pairs": pairs}, sys.stdout)


if __name__ == "__main__":
    main(int(sys.argv[1]), [int(size) for size in sys.argv[2:]])
