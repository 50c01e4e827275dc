"""The one limiter of actions that both doors of this process ask."""

import time
from functools import cache
from uuid import UUID

from django.conf import settings

from foundation.errors import RateLimited
from messaging.limiter import Limiter, NoLimit


@cache
def _limiter() -> Limiter:
    if not settings.ROOMLOG_RATE_LIMITS:
        return NoLimit()
    limits = settings.ROOMLOG_LIMITS
    return Limiter(per_s=limits.actions_per_s, burst=limits.actions_burst, clock=time.monotonic)


def throttle(user_id: UUID) -> None:
    """Count one action of the user. Raises `RateLimited` with the seconds to wait."""
    wait_s = _limiter().take(user_id)
    if wait_s:
        raise RateLimited(retry_after=round(wait_s + 0.0005, 3))
