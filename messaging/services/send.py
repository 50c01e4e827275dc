"""Sends one message. The socket's writer hands the same appender many at once."""

from django.conf import settings

from accounts.schema import Principal
from foundation.errors import DomainError
from messaging.append.appender import Appender
from messaging.append.submissions import submission_of
from messaging.wire.actions import Send
from messaging.wire.shapes import Sent
from rooms.broadcast import broadcast

# One for the process, so that it remembers which rooms are contended.
appender = Appender()


def send_message(send: Send, *, sender: Principal) -> Sent:
    """Appends one message to its room's log, a batch of one, and broadcasts it. Opens a transaction.

    A retry with the same `client_id` returns the first answer again. Raises `NotFound`, `NotAMember`, `Forbidden`,
    `Muted`, `Archived`, `Unauthenticated` (the session has ended), `Invalid`, `ClientIdReused`, `Overloaded` and
    `Unavailable`.
    """
    submission = submission_of(send, sender=sender, secret_keys=settings.ROOMLOG_DIGEST_KEYS)
    verdicts, notices = appender.append([submission])
    broadcast(notices)
    (verdict,) = verdicts
    if isinstance(verdict, DomainError):
        raise verdict
    return verdict
