"""Fills an empty database with rooms whose members have missed messages. Prints tokens and ids, for the load generator.

python -m tests.benchmarks.seed_herd <people> <members of a room> <missed messages>
"""

import json
import os
import sys
from typing import NamedTuple
from uuid import UUID

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django

django.setup()

from django.conf import settings
from django.core.management import call_command
from django.db import connection

from tests.benchmarks import fill
from tests.benchmarks.seed import TOKENS_EXPIRE_IN_S, make_people, make_room


class Crowd(NamedTuple):
    """The tokens of people, and their rooms: the first room is that of the first `members` people, and so on."""

    tokens: list[str]
    rooms: list[str]


def make_crowd(people: int, *, members: int, missed: int) -> Crowd:
    users, tokens = make_people(people)
    rooms = [make_room(f"room {start}", users[start : start + members]) for start in range(0, people, members)]
    for room in rooms:
        fill.main(UUID(room), missed)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # autovacuum would do so later
    return Crowd(tokens, rooms)


def main(people: int, members: int, missed: int) -> None:
    settings.HEADLESS_JWT_ACCESS_TOKEN_EXPIRES_IN = TOKENS_EXPIRE_IN_S
    call_command("migrate", verbosity=0, interactive=False)
    json.dump(make_crowd(people, members=members, missed=missed)._asdict(), sys.stdout)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
