"""Django's SQLite backend with a fair queue of writers.

SQLite's own waiting is a poll without order: beside a busy writer another may starve for seconds. Here all writers
of a process queue, first come first served, before `BEGIN IMMEDIATE`. Reads open no transaction and never wait.
"""

import threading
from collections import defaultdict, deque

from django.db.backends.sqlite3 import base
from django.db.utils import OperationalError


class FairLock:
    """A mutual exclusion that is handed to whoever has waited longest."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._held = False
        self._waiting: deque[threading.Lock] = deque()

    def acquire(self, timeout_s: float) -> bool:
        with self._mutex:
            if not self._held:
                self._held = True
                return True
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        if turn.acquire(timeout=timeout_s):
            return True
        with self._mutex:
            if turn in self._waiting:
                self._waiting.remove(turn)
                return False
        return True  # it was handed over while we gave up

    def release(self) -> None:
        with self._mutex:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._held = False


_writers: defaultdict[str, FairLock] = defaultdict(FairLock)


class DatabaseWrapper(base.DatabaseWrapper):
    _has_turn = False

    def _start_transaction_under_autocommit(self) -> None:
        timeout_s = float(self.settings_dict["OPTIONS"].get("timeout", 30))
        if not self._queue.acquire(timeout_s):
            raise OperationalError("database is locked: waited too long for other writers of this process")
        self._has_turn = True
        try:
            with self.wrap_database_errors:
                # As the base class does, without a cursor of Django's, which takes longer than the statement.
                self.connection.execute(f"BEGIN {self.transaction_mode}")  # type: ignore[attr-defined]
        except BaseException:
            self._end_turn()
            raise

    def _commit(self) -> None:
        super()._commit()  # type: ignore[misc]  # a failure leaves the turn to the rollback that follows
        self._end_turn()

    def _rollback(self) -> None:
        try:
            super()._rollback()  # type: ignore[misc]
        finally:
            self._end_turn()

    def _close(self) -> None:
        try:
            super()._close()  # type: ignore[misc]
        finally:
            self._end_turn()

    @property
    def _queue(self) -> FairLock:
        return _writers[str(self.settings_dict["NAME"])]

    def _end_turn(self) -> None:
        if self._has_turn:
            self._has_turn = False
            self._queue.release()
