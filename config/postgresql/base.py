"""Django's PostgreSQL backend, whose pool lets go of all that rests in it when a connection is found broken.

They break together, by a restart or a failover; else each would be handed out once more, and fail. psycopg's own check
of what it hands out is no remedy: behind two broken ones in a row it waits for a second, then for two, then four.
"""

import time
from typing import Any

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    _taken_at = 0.0
    _let_go_at = 0.0  # of the class

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        self._taken_at = time.monotonic()
        return super().get_new_connection(conn_params)

    def _close(self) -> None:
        is_broken = self.connection is not None and self.connection.broken
        super()._close()  # type: ignore[misc]
        if is_broken and self.pool and self._taken_at > DatabaseWrapper._let_go_at:
            DatabaseWrapper._let_go_at = time.monotonic()
            self.pool.drain()
