"""A room whose head another connection holds."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import connection, transaction

from rooms import log


@contextmanager
def held(room_id: UUID) -> Iterator[None]:
    """Another connection holds the room's head. On SQLite it holds the whole database."""
    has_it, give_up = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            log.lock_head(room_id)
            has_it.set()
            give_up.wait()
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    assert has_it.wait(timeout=10)
    try:
        yield
    finally:
        give_up.set()
        holder.join()
