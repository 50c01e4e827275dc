"""The bounds on sign-ups in 24 hours: from one network, and in all."""

from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from accounts.counters import locked
from accounts.models import SignUp
from foundation.addresses import Address, network_of
from foundation.errors import RateLimited

DAY = timedelta(days=1)


def claim_sign_up(address: Address) -> None:
    """Counts a sign-up from `address`. Opens a transaction, and deletes the rows that are older than 24 hours.

    Raises `RateLimited`, and counts nothing, if `SIGNUPS_PER_ADDRESS_PER_DAY` or `SIGNUPS_PER_DAY` have been reached in
    the last 24 hours. `retry_after` is the time until both allow one more.
    """
    if not settings.ROOMLOG_RATE_LIMITS:
        return
    network = network_of(address)
    with locked("sign-ups"):
        now = timezone.now()
        SignUp.objects.filter(at__lte=now - DAY).delete()
        wait = max(
            _wait(now, settings.SIGNUPS_PER_ADDRESS_PER_DAY, network=network),
            _wait(now, settings.SIGNUPS_PER_DAY) if settings.SIGNUPS_PER_DAY else timedelta(0),
        )
        if not wait:
            SignUp.objects.create(network=network, at=now)
    if wait:
        raise RateLimited("Too many sign-ups.", retry_after=wait.total_seconds())


def _wait(now: datetime, limit: int, **of: str) -> timedelta:
    """Returns how long it takes until fewer than `limit` sign-ups are left: the newest `limit`-th one must expire."""
    at = SignUp.objects.filter(**of).order_by("-at").values_list("at", flat=True)[limit - 1 : limit].first()
    return timedelta(0) if at is None else at + DAY - now
