"""Fills an empty database with rooms whose members have missed messages. Prints tokens and ids, for the load generator.

python -m tests.benchmarks.seed_herd <people> <members of a room> <missed messages>
"""

import json
import os
import sys
from uuid import UUID

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django

django.setup()

from django.core.management import call_command
from django.db import connection

from tests.benchmarks import fill
from tests.benchmarks.seed import make_people, make_room


def main(people: int, members: int, missed: int) -> None:
    call_command("migrate", verbosity=0, interactive=False)
    users, tokens = make_people(people)
    rooms = [make_room(f"room {start}", users[start : start + members]) for start in range(0, people, members)]
    for room in rooms:
        fill.main(UUID(room), missed)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # autovacuum would do so later
    json.dump({"tokens": tokens, "rooms": rooms}, sys.stdout)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
