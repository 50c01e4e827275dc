"""Django's PostgreSQL backend, with a connection pool that is emptied when one of its connections turns out broken.

A restart or a failover breaks all connections at once, and otherwise the pool would hand out each of them once more.
psycopg's own check of connections is no alternative: after two broken ones in a row it waits 1 s, then 2 s, then 4 s.
"""

import time
from typing import Any

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    _taken_at = 0.0  # time.monotonic() at which this connection was taken from the pool
    _drained_at = 0.0  # time.monotonic() at which the pool was last emptied; on the class, for all threads

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        self._taken_at = time.monotonic()
        return super().get_new_connection(conn_params)

    def _close(self) -> None:
        is_broken = self.connection is not None and self.connection.broken
        super()._close()  # type: ignore[misc]
        if is_broken and self.pool and self._taken_at > DatabaseWrapper._drained_at:
            DatabaseWrapper._drained_at = time.monotonic()
            self.pool.drain()
