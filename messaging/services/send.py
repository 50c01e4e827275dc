"""Sends messages over REST, one at a time. Sends of sockets go through the writer."""

from django.conf import settings

from accounts.schema import Principal
from foundation.errors import DomainError
from messaging.append.appender import Appender
from messaging.append.submissions import submission_of
from messaging.wire.actions import Send
from messaging.wire.shapes import Sent
from rooms.broadcast import broadcast

# One for all requests, because it remembers which rooms are contended. The writer has one of its own: its batches hold
# many rooms, and a room that is skipped for the sake of the others is not contended for a single send.
appender = Appender()


def send_message(send: Send, *, sender: Principal) -> Sent:
    """Appends a message to its room's log, as a batch of one, and broadcasts it. Returns its id, seq and time.

    A retry with the same `client_id` and content returns the first result again. Opens a durable transaction, with the
    same number of queries as a larger batch.

    Raises `Unauthenticated` if the session has ended, `NotFound`, `NotAMember`, `Forbidden`, `Muted`, `Archived`,
    `Invalid` if `reply_to` does not exist, `ClientIdReused`, `Overloaded` if the room was locked for too long,
    `Unavailable` if the outcome is unknown, and `Internal` if the database refuses a value.
    """
    submission = submission_of(send, sender=sender, secret_keys=settings.ROOMLOG_DIGEST_KEYS)
    verdicts, notices = appender.append([submission])
    broadcast(notices)
    (verdict,) = verdicts
    if isinstance(verdict, DomainError):
        raise verdict
    return verdict
