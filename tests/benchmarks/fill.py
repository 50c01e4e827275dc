"""Fills a room of the benchmark up to a number of messages, with the rows that sends would have written.

python -m tests.benchmarks.fill <room> <messages>
"""

import os
import sys
from uuid import UUID

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django

django.setup()

from messaging.models import Message
from rooms.log import now
from rooms.models import Entry, Head, Membership

CHUNK = 5_000


def main(room_id: UUID, size: int) -> None:
    head = Head.objects.get(room_id=room_id)
    senders = list(Membership.objects.filter(room_id=room_id).values_list("user_id", flat=True))
    at = now()
    while head.message_id < size:
        count = min(CHUNK, size - head.message_id)
        rows = [
            Message(
                room_id=room_id,
                id=head.message_id + n,
                seq=head.seq + n,
                sender_id=senders[n % len(senders)],
                text="x" * 100,
                client_id=f"fill-{head.message_id + n}",
                digest=bytes(16),
                created_at=at,
            )
            for n in range(1, count + 1)
        ]
        Message.objects.bulk_create(rows)
        Entry.objects.bulk_create(
            Entry(
                room_id=room_id, seq=row.seq, kind="message.created", actor_id=row.sender_id, message_id=row.id, at=at
            )
            for row in rows
        )
        head.seq += count
        head.message_id += count
        head.save()


if __name__ == "__main__":
    main(UUID(sys.argv[1]), int(sys.argv[2]))
