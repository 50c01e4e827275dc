"""Django's SQLite backend with a fair queue of writers.

In SQLite, writers that must wait poll, in no order, so that one can starve for seconds while another is busy. Here all
transactions of a process queue, first come, first served, before `BEGIN IMMEDIATE`. Reads outside of a transaction
never wait.
"""

import threading
from collections import defaultdict, deque

from django.db.backends.sqlite3 import base
from django.db.utils import OperationalError


class FairLock:
    """A lock that is passed to the thread that has waited longest."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._held = False
        self._waiting: deque[threading.Lock] = deque()

    def acquire(self, timeout_s: float) -> bool:
        """Takes the lock, and returns whether that succeeded within `timeout_s` seconds."""
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
        return True  # passed to this thread just as it timed out

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
            raise OperationalError("database is locked: timed out waiting for other writers of this process")
        self._has_turn = True
        try:
            with self.wrap_database_errors:
                # The base class uses a cursor of Django's, which takes longer than the statement.
                self.connection.execute(f"BEGIN {self.transaction_mode}")  # type: ignore[attr-defined]
        except BaseException:
            self._end_turn()
            raise

    def _commit(self) -> None:
        super()._commit()  # type: ignore[misc]  # if it fails, the rollback that follows ends the turn
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
