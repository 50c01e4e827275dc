"""Locks a room from another connection."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import connection, transaction

from rooms import log


@contextmanager
def locked(room_id: UUID) -> Iterator[None]:
    """Another connection locks the room's head. On SQLite it locks the whole database."""
    is_locked, release = threading.Event(), threading.Event()

    def lock() -> None:
        with transaction.atomic():
            log.lock_head(room_id)
            is_locked.set()
            release.wait()
        connection.close()

    holder = threading.Thread(target=lock)
    holder.start()
    assert is_locked.wait(timeout=10)
    try:
        yield
    finally:
        release.set()
        holder.join()
